/* Keys, keyed hashes and sealed texts. The vectors were made by another implementation (Python's hashlib and PyNaCl).
 */
#include "core/base/seal.h"

#include "check.h"

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define BASE64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define CLEAR "\"a\xc3\xa4 \\\" b\""
#define SEALED "churnd:1:k1:21VcAtlVlOa_Yj7UCBwGpxVMdA3DmrJj7sY50FWJCZA8ZnPjcr-5ZFS2E9aKgomdPxCy"

static const struct seal_place place = {.kind = "event",
                                        .record = {.ptr = "c1_1700000000000", .len = 16},
                                        .owner = {.ptr = "c1", .len = 2},
                                        .field = {.ptr = "reason", .len = 6},
                                        .json = true};

static churn_str str_of(const struct text *text)
{
    return (churn_str){.ptr = text->bytes, .len = (uint32_t)text->len};
}

static void add_key(struct seal_ring *ring, const char *id, unsigned char first)
{
    struct key key;
    char message[256];
    CU_ASSERT_FATAL(key_parse(HEX, &key, message, sizeof message));
    key.bytes[0] = first;
    CU_ASSERT_FATAL(seal_ring_add(ring, id, &key));
}

static void seal(struct text *out, const struct seal_ring *ring, const struct seal_place *where, const char *clear)
{
    out->len = 0;
    seal_append(out, ring, where, churn_text(clear));
    CU_ASSERT_FATAL(!out->failed);
}

static void test_keys(void)
{
    static const char *const good[] = {HEX, BASE64, " " HEX "\n", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"};
    static const char *const bad[][2] = {{"", "empty"},
                                         {" \n", "empty"},
                                         {"0011", "too short: 2 bytes"},
                                         {HEX "00", "too long: 33"},
                                         {"p@ssword", "32 bytes"}};
    char message[256];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct key key = {{0}};
        CU_ASSERT(key_parse(good[i], &key, message, sizeof message) && key.bytes[1] == 1 && key.bytes[31] == 31);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct key key = {{9}};
        CU_ASSERT(!key_parse(bad[i][0], &key, message, sizeof message) && key.bytes[0] == 9);
        CU_ASSERT_PTR_NOT_NULL(strstr(message, bad[i][1]));
        CU_ASSERT(bad[i][0][0] != 'p' || strstr(message, bad[i][0]) == NULL);
    }
}

static void test_hash_vectors(void)
{
    static const unsigned char one[] = {0x39, 0x14, 0xc3, 0x63, 0x12, 0x80, 0xb1, 0x2a,
                                        0x5a, 0xf5, 0x9f, 0xa7, 0x78, 0x8c, 0xb6, 0x86};
    static const unsigned char other[] = {0x95, 0xf3, 0x96, 0xa3, 0xbc, 0x75, 0xc2, 0x7d,
                                          0xee, 0xf0, 0x23, 0x40, 0x7b, 0xfe, 0xd5, 0x99};
    churn_str parts[] = {{.ptr = "ab", .len = 2}, {.ptr = "c", .len = 1}};
    churn_str cut[] = {{.ptr = "a", .len = 1}, {.ptr = "bc", .len = 2}};
    unsigned char out[16];
    char message[256];
    struct key key;
    CU_ASSERT_FATAL(key_parse(HEX, &key, message, sizeof message));
    key_hash(&key, "test", parts, 2, out, sizeof out);
    CU_ASSERT(memcmp(out, one, sizeof out) == 0);
    key_hash(&key, "test", cut, 2, out, sizeof out);
    CU_ASSERT(memcmp(out, other, sizeof out) == 0);
    key_wipe(&key);
    CU_ASSERT(key.bytes[5] == 0);
}

static void test_seal_vector(void)
{
    struct seal_ring ring = {0};
    struct text out = {0}, clear = {0};
    add_key(&ring, "k1", 0);
    seal(&out, &ring, &place, CLEAR);
    CU_ASSERT(str_equals(str_of(&out), SEALED));
    CU_ASSERT(seal_open(&clear, &ring, &place, str_of(&out)) == SEAL_OPENED && str_equals(str_of(&clear), CLEAR));
    text_free(&out);
    text_free(&clear);
    seal_ring_free(&ring);
}

/* A repeat has the same bytes; another text, field, record or owner has others. */
static void test_nonces(void)
{
    struct seal_ring ring = {0};
    struct text first = {0}, again = {0};
    struct seal_place places[5] = {place, place, place, place, place};
    bool json;
    places[0].record.len--;
    places[1].owner.len--;
    places[2].field.len--;
    places[3].kind = "letter";
    places[4].json = false;
    add_key(&ring, "k1", 0);
    seal(&first, &ring, &place, "text");
    seal(&again, &ring, &place, "text");
    CU_ASSERT(churn_equal(str_of(&first), str_of(&again)));
    seal(&again, &ring, &place, "texu");
    CU_ASSERT(memcmp(first.bytes, again.bytes, sizeof SEAL_PREFIX + 12) != 0);
    for (size_t i = 0; i < 5; i++) {
        seal(&again, &ring, &places[i], "text");
        CU_ASSERT(!churn_equal(str_of(&first), str_of(&again)));
        CU_ASSERT(seal_open(&again, &ring, &place, str_of(&again)) == SEAL_FORGED); /* it was moved */
        CU_ASSERT(seal_open_anywhere(&again, &ring, NULL, str_of(&again), &json) == SEAL_OPENED &&
                  json == places[i].json);
    }
    text_free(&first);
    text_free(&again);
    seal_ring_free(&ring);
}

static void test_tampering(void)
{
    struct seal_ring ring = {0};
    struct text clear = {0};
    char sealed[] = SEALED;
    size_t data = strlen("churnd:1:k1:");
    bool json;
    add_key(&ring, "k1", 0);
    for (size_t i = data; i + 1 < sizeof sealed; i++) {
        char was = sealed[i];
        sealed[i] = was == 'A' ? 'Q' : 'A';
        CU_ASSERT(seal_open_anywhere(&clear, &ring, NULL, churn_text(sealed), &json) == SEAL_FORGED && clear.len == 0);
        sealed[i] = was;
    }
    add_key(&ring, "k2", 0); /* the same key by another name: the name is sealed too */
    sealed[data - 2] = '2';
    CU_ASSERT(seal_open_anywhere(&clear, &ring, NULL, churn_text(sealed), &json) == SEAL_FORGED);
    sealed[data - 2] = '3';
    CU_ASSERT(seal_open_anywhere(&clear, &ring, NULL, churn_text(sealed), &json) == SEAL_KEY_UNKNOWN);
    text_free(&clear);
    seal_ring_free(&ring);
}

static void test_the_same_key_again(void)
{
    struct seal_ring ring = {0};
    struct key key;
    char message[256];
    CU_ASSERT_FATAL(key_parse(HEX, &key, message, sizeof message));
    CU_ASSERT_PTR_NULL(seal_ring_find(&ring, &key));
    add_key(&ring, "k2", 2);
    CU_ASSERT_PTR_NULL(seal_ring_find(&ring, &key));
    add_key(&ring, "k1", 0);
    CU_ASSERT_STRING_EQUAL(seal_ring_find(&ring, &key), "k1");
    seal_ring_free(&ring);
}

static void test_rotation(void)
{
    struct seal_ring old = {0}, both = {0}, rest = {0};
    struct text sealed = {0}, clear = {0};
    add_key(&old, "k1", 1);
    add_key(&both, "k2", 2);
    add_key(&both, "k1", 1);
    add_key(&rest, "k2", 2);
    seal(&sealed, &old, &place, "old");
    CU_ASSERT(seal_open(&clear, &both, &place, str_of(&sealed)) == SEAL_OPENED && str_equals(str_of(&clear), "old"));
    CU_ASSERT(seal_open(&clear, &rest, &place, str_of(&sealed)) == SEAL_KEY_UNKNOWN);
    seal(&sealed, &both, &place, "new");
    CU_ASSERT(memcmp(sealed.bytes, SEAL_PREFIX "k2:", strlen(SEAL_PREFIX "k2:")) == 0);
    CU_ASSERT(seal_open(&clear, &old, &place, str_of(&sealed)) == SEAL_KEY_UNKNOWN);
    text_free(&sealed);
    text_free(&clear);
    seal_ring_free(&old);
    seal_ring_free(&both);
    seal_ring_free(&rest);
}

/* A pipeline without protect: has no ring. */
static void test_no_keys(void)
{
    const struct seal_ring *const rings[] = {NULL, &(struct seal_ring){0}};
    struct text clear = {0};
    bool json;
    for (size_t i = 0; i < sizeof rings / sizeof rings[0]; i++) {
        CU_ASSERT_EQUAL(seal_open(&clear, rings[i], &place, churn_text(SEALED)), SEAL_KEY_UNKNOWN);
        CU_ASSERT_EQUAL(seal_open_anywhere(&clear, rings[i], NULL, churn_text(SEALED), &json), SEAL_KEY_UNKNOWN);
    }
    CU_ASSERT_EQUAL(clear.len, 0);
    text_free(&clear);
}

/* What looks a little like a sealed text is a text. */
static void test_form(void)
{
    static const char *const not_sealed[] = {
        "",
        "churnd:1:",
        "churnd:1:k1",
        "churnd:1:k1:",
        "churnd:1:k1:AAAA",
        "churnd:2:k1:lq50-lXY4cAb3H4KLkZQuUADsUxxXsofaIj2p2W02VgpHHuqQE-KV3TvDgg6jW",
        " " SEALED,
        SEALED "=",
        SEALED "\n",
        "churnd:1::" SEALED};
    struct seal_ring ring = {0};
    struct text clear = {0};
    churn_str id;
    add_key(&ring, "k1", 0);
    CU_ASSERT(seal_is(churn_text(SEALED), &id) && str_equals(id, "k1"));
    for (size_t i = 0; i < sizeof not_sealed / sizeof not_sealed[0]; i++) {
        CU_ASSERT(!seal_is(churn_text(not_sealed[i]), NULL));
        CU_ASSERT(seal_open(&clear, &ring, &place, churn_text(not_sealed[i])) == SEAL_NONE);
    }
    CU_ASSERT(seal_is_id("2026-11_a.b") && !seal_is_id("") && !seal_is_id("a:b") && !seal_is_id("a b"));
    CU_ASSERT(seal_is_id("0123456789012345678901234567890a") && !seal_is_id("0123456789012345678901234567890ab"));
    text_free(&clear);
    seal_ring_free(&ring);
}

/* Whom a text is of has a salt: without it, or with another one, no key opens the text. */
static void test_salts(void)
{
    static const unsigned char salt[SEAL_SALT_SIZE] = {1, 2, 3}, other[SEAL_SALT_SIZE] = {1, 2, 4};
    struct seal_place salted = place, wrong = place, moved;
    struct seal_ring ring = {0};
    struct text sealed = {0}, again = {0}, clear = {0};
    churn_str id;
    bool json;
    add_key(&ring, "k1", 0);
    salted.salt = salt;
    wrong.salt = other;
    moved = salted;
    moved.field = churn_text("other");
    seal(&sealed, &ring, &salted, CLEAR);
    seal(&again, &ring, &salted, CLEAR);
    CU_ASSERT(churn_equal(str_of(&sealed), str_of(&again))); /* a repeat has the same bytes */
    CU_ASSERT(seal_is(str_of(&sealed), &id) && str_equals(id, "k1") && seal_is_salted(str_of(&sealed)));
    CU_ASSERT(!seal_is_salted(churn_text(SEALED)));
    CU_ASSERT_EQUAL(seal_open(&clear, &ring, &place, str_of(&sealed)), SEAL_SALT_UNKNOWN);
    CU_ASSERT_EQUAL(seal_open(&clear, &ring, &wrong, str_of(&sealed)), SEAL_SALT_UNKNOWN);
    CU_ASSERT_EQUAL(seal_open_anywhere(&clear, &ring, NULL, str_of(&sealed), &json), SEAL_SALT_UNKNOWN);
    CU_ASSERT_EQUAL(seal_open(&clear, &ring, &moved, str_of(&sealed)), SEAL_FORGED);
    CU_ASSERT_EQUAL(clear.len, 0);
    CU_ASSERT_EQUAL(seal_open(&clear, &ring, &salted, str_of(&sealed)), SEAL_OPENED);
    CU_ASSERT(churn_equal(str_of(&clear), churn_text(CLEAR)));
    clear.len = 0;
    CU_ASSERT(seal_open_anywhere(&clear, &ring, salt, str_of(&sealed), &json) == SEAL_OPENED && json);
    clear.len = 0; /* what was sealed without one is opened as before */
    CU_ASSERT_EQUAL(seal_open(&clear, &ring, &salted, churn_text(SEALED)), SEAL_OPENED);
    sealed.bytes[sizeof "churnd:" - 1] = '1';
    CU_ASSERT_EQUAL(seal_open(&clear, &ring, &place, str_of(&sealed)), SEAL_FORGED);
    text_free(&sealed);
    text_free(&again);
    text_free(&clear);
    seal_ring_free(&ring);
}

int main(void)
{
    static CU_TestInfo tests[] = {TEST(test_keys),     TEST(test_hash_vectors), TEST(test_seal_vector),
                                  TEST(test_nonces),   TEST(test_tampering),    TEST(test_the_same_key_again),
                                  TEST(test_rotation), TEST(test_no_keys),      TEST(test_form),
                                  TEST(test_salts),    CU_TEST_INFO_NULL};
    return run_tests("seal", tests);
}
