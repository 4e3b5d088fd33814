#include "commands.h"
#include "errors.h"
#include "grow.h"
#include "msgpack.h"
#include "resp.h"

#include <stdlib.h>
#include <string.h>

/* KEYS[1]: the first put's key, by which a Redis Cluster finds the node. ARGV[1]: for each put a MessagePack array of
 * its key, expected version, ttl in ms ("0": none), then name, value, … with _v first. MessagePack, because Redis
 * parses it at less cost than arguments. ARGV[2], ARGV[3], where the session knows its history: where that is named,
 * and its name. The reply is one error for all, or has for each put: 1: written; what is stored; or an error.
 *
 * A script is not rolled back, hence a key's checks come before its first write, and every answer may be an error. HSET
 * takes what Lua can unpack, in one call for any profile of less than 2,000 fields; what follows a first write is
 * refused neither for memory nor for its type. A hash without a version that has marks (_m:) has lost it: it is shown,
 * not begun anew. A ttl of an earlier configuration is taken away when the key is read, which happens before any
 * session writes it, but by calls of their own; "-1": also when it is written, as this session may have set it, or has
 * read it in such a call. */
const char put_script[] = "local r, call = {}, redis.pcall "
                          "if ARGV[2] then "
                          "local h = call('HGET', ARGV[2], 'id') "
                          "if h ~= ARGV[3] then "
                          "return type(h) == 'table' and h or {err = '" HISTORY_CODE " is another one'} end "
                          "end "
                          "local function missed(key) "
                          "local all = call('HGETALL', key) "
                          "if all.err then return all end "
                          "for i = 1, #all, 2 do if all[i]:sub(1, 3) == '_m:' then return 'lost' end end "
                          "end "
                          "for k, f in ipairs(cmsgpack.unpack(ARGV[1])) do "
                          "local key, ttl = f[1], f[3] "
                          "local v = call('HGET', key, '_v') "
                          "if not v then v = f[2] == '0' and missed(key) or '0' end "
                          "if type(v) == 'table' then r[k] = v "
                          "elseif v ~= f[2] then "
                          "local p = (ttl == '0' or ttl == '-1') and call('PERSIST', key) "
                          "r[k] = type(p) == 'table' and p or call('HGETALL', key) "
                          "else "
                          "local done "
                          "for i = 4, #f, 4000 do "
                          "done = call('HSET', key, unpack(f, i, math.min(i + 3999, #f))) "
                          "if type(done) == 'table' then break end end "
                          "if type(done) ~= 'table' and ttl ~= '0' then "
                          "done = ttl == '-1' and call('PERSIST', key) or call('PEXPIRE', key, ttl) end "
                          "r[k] = type(done) == 'table' and done or 1 "
                          "end end "
                          "return r";

bool commands_seal(struct commands *c)
{
    struct batch *batch = &c->batch;
    bool guarded = c->history[0] != '\0';
    struct pending *first;
    char *at;
    if (batch->count == 0) {
        return true;
    }
    first = c->pending.items + c->pending.count - batch->count;
    at = outbox_reserve(&c->out, (size_t)8 * ARG_ROOM + SHA_LEN + first->key_len + batch->len + sizeof HISTORY_KEY +
                                     HISTORY_SIZE);
    if (at == NULL) {
        return false;
    }
    (void)pack_array16(batch->bytes, batch->count);
    at = write_count(at, '*', guarded ? 7 : 5);
    at = write_arg(at, churn_text("EVALSHA"));
    at = write_arg(at, (churn_str){.ptr = c->sha, .len = SHA_LEN});
    at = write_arg(at, churn_text("1"));
    at = write_arg(at, pending_key(&c->pending, first));
    at = write_arg(at, (churn_str){.ptr = batch->bytes, .len = (uint32_t)batch->len});
    if (guarded) {
        at = write_arg(at, churn_text(HISTORY_KEY));
        at = write_arg(at, churn_text(c->history));
    }
    outbox_commit(&c->out, at);
    first->batch = batch->count;
    batch->count = 0;
    return true;
}

char *commands_begin(struct commands *c, enum pending_kind kind, uint64_t id, size_t args, size_t bytes)
{
    char *at = commands_seal(c) ? outbox_reserve(&c->out, (args + 1) * ARG_ROOM + bytes) : NULL;
    return at != NULL && pending_add(&c->pending, kind, id, (churn_str){0}) ? write_count(at, '*', args) : NULL;
}

void commands_end(struct commands *c, const char *at)
{
    outbox_commit(&c->out, at);
}

bool commands_add(struct commands *c, enum pending_kind kind, uint64_t id, const churn_str *args, uint32_t count)
{
    size_t bytes = 0;
    char *at;
    for (uint32_t i = 0; i < count; i++) {
        bytes += args[i].len;
    }
    at = commands_begin(c, kind, id, count, bytes);
    if (at == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        at = write_arg(at, args[i]);
    }
    commands_end(c, at);
    return true;
}

void commands_reload_script(struct commands *c)
{
    const churn_str args[] = {churn_text("SCRIPT"), churn_text("LOAD"), churn_text(put_script)};
    c->reloads = c->reloads || commands_add(c, PENDING_SCRIPT, 0, args, 3);
}

/* Most bytes that a put takes in the batch. */
static size_t packed_size(const churn_put *put)
{
    size_t bytes = 2 * PACK_ROOM + put->key.len + 4 * (size_t)(PACK_ROOM + 21);
    for (uint32_t i = 0; i < put->count; i++) {
        bytes += (size_t)put->fields[i].name.len + put->fields[i].value.len + (size_t)2 * PACK_ROOM;
    }
    return bytes;
}

/* What the put script reads; see there. */
static char *pack_put(char *at, const churn_put *put, churn_str ttl)
{
    char number[21];
    at = pack_head(at, 5 + 2 * put->count, 0x90, 15, 0xdc);
    at = pack_text(at, put->key);
    at = pack_text(at, number_arg(number, put->expected_version));
    at = pack_text(at, ttl);
    at = pack_text(at, churn_text("_v"));
    at = pack_text(at, number_arg(number, put->expected_version + 1));
    for (uint32_t i = 0; i < put->count; i++) {
        at = pack_text(at, put->fields[i].name);
        at = pack_text(at, put->fields[i].value);
    }
    return at;
}

bool commands_add_put(struct commands *c, const churn_put *put)
{
    struct batch *batch = &c->batch;
    size_t used = batch->count > 0 ? batch->len : ARRAY16_HEAD;
    char *bytes = grow(batch->bytes, &batch->room, used + packed_size(put), 1), number[21];
    bool was_read = (put->flags & CHURN_PUT_READ) != 0;
    churn_str ttl;
    if (bytes == NULL) {
        return false;
    }
    batch->bytes = bytes;
    if (!pending_add(&c->pending, PENDING_PUT, put->id, put->key)) {
        return false;
    }
    batch->expires = batch->expires || put->ttl_ms > 0;
    ttl = put->ttl_ms > 0 ? number_arg(number, (uint64_t)put->ttl_ms)
                          : churn_text(batch->expires || was_read ? "-1" : "0");
    batch->len = (size_t)(pack_put(bytes + used, put, ttl) - bytes);
    batch->count++;
    return true;
}

void commands_free(struct commands *c)
{
    free(c->out.bytes);
    free(c->batch.bytes);
    pending_free(&c->pending);
}
