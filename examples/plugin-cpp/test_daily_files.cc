/* The sink by itself: no churnd, no server. `make test` runs it. */
#include <churn/test.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

static std::string content_of(const std::filesystem::path &path)
{
    std::ostringstream all;
    all << std::ifstream(path).rdbuf();
    return all.str();
}

int main(int argc, char **argv)
{
    char name[] = "/tmp/daily_files-XXXXXX";
    const std::filesystem::path dir = mkdtemp(name);
    std::unique_ptr<churn_test, decltype(&churn_test_free)> owner(churn_test_new(), churn_test_free);
    churn_test *t = owner.get();
    CHURN_TEST_CHECK(t, churn_test_load(t, argc > 1 ? argv[1] : "./daily_files.so") == CHURN_OK);

    CHURN_TEST_CHECK(t, churn_test_start(t, "{dir: /nowhere/at/all}") == CHURN_FATAL);
    CHURN_TEST_CHECK(t, churn_test_start(t, "{dir: %s/days}", dir.c_str()) == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_write(t, CHURN_RECORD_ALERT, "anna", "{'n': 1}") == CHURN_OK);
    churn_test_advance(t, 86400000);
    CHURN_TEST_CHECK(t, churn_test_write(t, CHURN_RECORD_ALERT, "anna", "{'n':\n2}") == CHURN_OK);
    CHURN_TEST_CHECK(t, churn_test_settle(t, 1000) == CHURN_OK);
    CHURN_TEST_CHECK(t, content_of(dir / "days/2026-01-01.jsonl") == "{\"n\": 1}\n");
    CHURN_TEST_CHECK(t, content_of(dir / "days/2026-01-02.jsonl") == "{\"n\": 2}\n");

    /* What the sink throws is an error of the call, not the end of the engine. */
    std::filesystem::remove_all(dir / "days");
    churn_test_advance(t, 86400000);
    CHURN_TEST_CHECK(t, churn_test_write(t, CHURN_RECORD_ALERT, "anna", "{}") == CHURN_FATAL);
    CHURN_TEST_CHECK(t, std::string(churn_test_message(t)).find("No such file or directory") != std::string::npos);
    std::filesystem::remove_all(dir);
    return 0;
}
