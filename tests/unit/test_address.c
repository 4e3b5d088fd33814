/* Addresses to listen at, and names by which a listener is asked. */
#include "core/base/address.h"

#include "check.h"
#include <netdb.h>

static void test_loopback(void)
{
    static const char *const own[] = {"127.0.0.1:80", "127.8.9.10:80", "[::1]:80", "[::ffff:127.0.0.1]:80"};
    static const char *const others[] = {
        "0.0.0.0:80", "[::]:80", "10.0.0.1:80", "128.0.0.1:80", "[fe80::1]:80", "[::ffff:10.0.0.1]:80", "nonsense"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        CU_ASSERT(address_is_good(own[i]) && address_is_loopback(own[i]));
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        CU_ASSERT(!address_is_loopback(others[i]));
    }
}

static void test_local_names(void)
{
    static const char *const own[] = {"localhost", "localhost:8080", "LocalHost", "churnd.localhost:1",
                                      "127.0.0.1", "10.1.2.3:8080",  "[::1]",     "[::1]:80"};
    static const char *const others[] = {"example.org",
                                         "example.org:80",
                                         "localhost.example.org",
                                         "notlocalhost",
                                         "127.0.0.1.example.org",
                                         "",
                                         ":80",
                                         "[",
                                         "[example.org]",
                                         ".example",
                                         "[::1].example.org",
                                         "[::1]x:80",
                                         "[::1",
                                         "localhost:x",
                                         "localhost:",
                                         "localhost:80.example.org"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        CU_ASSERT(address_is_local_name(own[i]));
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        CU_ASSERT(!address_is_local_name(others[i]));
    }
}

static struct address_owner owner_of(const char *listen)
{
    struct addrinfo *address = address_resolve(listen);
    struct address_owner owner = address_owner_of(address->ai_addr);
    freeaddrinfo(address);
    return owner;
}

static void test_owners(void)
{
    static const struct {
        const char *one, *other;
        bool same;
    } cases[] = {{"10.0.0.1:1", "10.0.0.1:2", true},
                 {"10.0.0.1:1", "10.0.0.2:1", false},
                 {"10.0.0.1:1", "[::ffff:10.0.0.1]:1", true},
                 {"[2001:db8:1:2:3::4]:1", "[2001:db8:1:2::9]:1", true},
                 {"[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1", false},
                 {"[::1]:1", "[::1]:2", true},
                 {"[::1]:1", "127.0.0.1:1", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address_owner one = owner_of(cases[i].one), other = owner_of(cases[i].other);
        check(address_owner_is(&one, &other) == cases[i].same, "%s and %s", cases[i].one, cases[i].other);
    }
    CU_ASSERT(owner_of("127.0.0.9:1").loopback && owner_of("[::1]:1").loopback && !owner_of("10.0.0.1:1").loopback);
}

int main(void)
{
    CU_TestInfo tests[] = {TEST(test_owners), TEST(test_loopback), TEST(test_local_names), CU_TEST_INFO_NULL};
    return run_tests("address", tests);
}
