#include "commands.h"
#include "errors.h"
#include "memory.h"
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
 * session writes it; "-1": also when it is written, as this session may have set it. */
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

char *reserve_out(struct session *s, size_t bytes)
{
    void *memory = s->out;
    bool ok;
    if (s->out_sent == s->out_len) {
        s->out_len = s->out_sent = 0;
    } else if (s->out_sent >= s->out_len / 2 && s->out_len + bytes > s->out_room) {
        memmove(s->out, s->out + s->out_sent, s->out_len - s->out_sent);
        s->out_len -= s->out_sent;
        s->out_sent = 0;
    }
    ok = grow(&memory, &s->out_room, s->out_len + bytes, 1);
    s->out = memory;
    return ok ? s->out + s->out_len : NULL;
}

/* Forgets answered commands and their keys once they are most of the list. */
static void compact_pending(struct session *s)
{
    size_t left = s->pending_count - s->head, keys_left;
    if (s->head < 1024 || s->head < left) {
        return;
    }
    memmove(s->pending, s->pending + s->head, left * sizeof *s->pending);
    s->pending_count = left;
    s->head = 0;
    for (size_t i = 0; i < left; i++) {
        if (s->pending[i].kind == PENDING_PUT) {
            uint64_t drop = s->pending[i].key_at - s->keys_base;
            keys_left = s->keys_len - (size_t)drop;
            memmove(s->keys, s->keys + drop, keys_left);
            s->keys_len = keys_left;
            s->keys_base += drop;
            return;
        }
    }
    s->keys_base += s->keys_len;
    s->keys_len = 0;
}

churn_str pending_key(const struct session *s, const struct pending *put)
{
    return (churn_str){.ptr = s->keys + (put->key_at - s->keys_base), .len = put->key_len};
}

bool expect(struct session *s, enum pending_kind kind, uint64_t id, churn_str key)
{
    void *pending = s->pending, *keys = s->keys;
    bool ok;
    compact_pending(s);
    ok = grow(&pending, &s->pending_room, s->pending_count + 1, sizeof *s->pending);
    s->pending = pending;
    ok = ok && grow(&keys, &s->keys_room, s->keys_len + key.len + 1, 1);
    s->keys = keys;
    if (!ok) {
        return false;
    }
    s->pending[s->pending_count++] =
        (struct pending){.id = id, .key_at = s->keys_base + s->keys_len, .key_len = key.len, .kind = kind};
    if (key.len > 0) {
        memcpy(s->keys + s->keys_len, key.ptr, key.len);
        s->keys_len += key.len;
    }
    return true;
}

bool seal_batch(struct session *s)
{
    bool guarded = s->history[0] != '\0';
    uint32_t count = s->batch_count;
    char *at;
    if (count == 0) {
        return true;
    }
    struct pending *puts = s->pending + s->pending_count - count;
    at = reserve_out(s, (size_t)8 * ARG_ROOM + SHA_LEN + puts[0].key_len + s->batch_len + sizeof HISTORY_KEY +
                            HISTORY_SIZE);
    if (at == NULL) {
        return false;
    }
    (void)pack_array16(s->batch, count);
    at = write_count(at, '*', guarded ? 7 : 5);
    at = write_arg(at, text_arg("EVALSHA"));
    at = write_arg(at, (churn_str){.ptr = s->sha, .len = SHA_LEN});
    at = write_arg(at, text_arg("1"));
    at = write_arg(at, pending_key(s, &puts[0]));
    at = write_arg(at, (churn_str){.ptr = s->batch, .len = (uint32_t)s->batch_len});
    if (guarded) {
        at = write_arg(at, text_arg(HISTORY_KEY));
        at = write_arg(at, text_arg(s->history));
    }
    s->out_len = (size_t)(at - s->out);
    puts[0].batch = count;
    s->batch_count = 0;
    return true;
}

bool queue(struct session *s, enum pending_kind kind, uint64_t id, const churn_str *args, uint32_t count)
{
    size_t bytes = ARG_ROOM;
    char *at;
    for (uint32_t i = 0; i < count; i++) {
        bytes += args[i].len + (size_t)ARG_ROOM;
    }
    at = seal_batch(s) ? reserve_out(s, bytes) : NULL;
    if (at == NULL || !expect(s, kind, id, (churn_str){0})) {
        return false;
    }
    at = write_count(at, '*', count);
    for (uint32_t i = 0; i < count; i++) {
        at = write_arg(at, args[i]);
    }
    s->out_len = (size_t)(at - s->out);
    return true;
}

bool queue_script(struct session *s)
{
    const churn_str args[] = {text_arg("SCRIPT"), text_arg("LOAD"), text_arg(put_script)};
    return queue(s, PENDING_SCRIPT, 0, args, 3);
}

bool pack_put(struct session *s, const churn_put *put)
{
    size_t bytes = 2 * PACK_ROOM + put->key.len + 4 * (size_t)(PACK_ROOM + 21);
    size_t used = s->batch_count > 0 ? s->batch_len : ARRAY16_HEAD;
    void *memory = s->batch;
    char number[21], *at;
    bool ok;
    for (uint32_t i = 0; i < put->count; i++) {
        bytes += (size_t)put->fields[i].name.len + put->fields[i].value.len + (size_t)2 * PACK_ROOM;
    }
    ok = grow(&memory, &s->batch_room, used + bytes, 1);
    s->batch = memory;
    if (!ok || !expect(s, PENDING_PUT, put->id, put->key)) {
        return false;
    }
    at = pack_head(s->batch + used, 5 + 2 * put->count, 0x90, 15, 0xdc);
    at = pack_text(at, put->key);
    at = pack_text(at, number_arg(number, put->expected_version));
    s->expires = s->expires || put->ttl_ms > 0;
    at = pack_text(at, put->ttl_ms > 0 ? number_arg(number, (uint64_t)put->ttl_ms) : text_arg(s->expires ? "-1" : "0"));
    at = pack_text(at, text_arg("_v"));
    at = pack_text(at, number_arg(number, put->expected_version + 1));
    for (uint32_t i = 0; i < put->count; i++) {
        at = pack_text(at, put->fields[i].name);
        at = pack_text(at, put->fields[i].value);
    }
    s->batch_len = (size_t)(at - s->batch);
    s->batch_count++;
    return true;
}
