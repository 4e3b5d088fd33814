#include "model_header.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace
{

using json = nlohmann::json;

constexpr size_t DEPTH_MAX = 64;

/* Takes a model's tokens one by one, so that its trees need no memory but that of one. */
class Reader : public nlohmann::json_sax<json>
{
  public:
    std::vector<int64_t> version;
    std::vector<std::string> features;
    std::string objective, booster, columns, classes, targets;
    std::string fault; /* empty: none was found */

    explicit Reader(size_t len) : file_len(len)
    {
    }

    bool null() override
    {
        return true;
    }

    bool boolean(bool) override
    {
        return true;
    }

    bool number_integer(number_integer_t value) override
    {
        take(value);
        return fault.empty();
    }

    bool number_unsigned(number_unsigned_t value) override
    {
        take(value > INT64_MAX ? INT64_MAX : static_cast<int64_t>(value));
        return fault.empty();
    }

    bool number_float(number_float_t, const string_t &) override
    {
        return true;
    }

    bool binary(binary_t &) override
    {
        return true;
    }

    bool string(string_t &value) override
    {
        if (is_at({"learner", "feature_names"})) {
            features.push_back(value);
        } else if (is_at({"learner", "objective", "name"})) {
            objective = value;
        } else if (is_at({"learner", "gradient_booster", "name"})) {
            booster = value;
        } else if (is_at({"learner", "learner_model_param", "num_feature"})) {
            columns = value;
        } else if (is_at({"learner", "learner_model_param", "num_class"})) {
            classes = value;
        } else if (is_at({"learner", "learner_model_param", "num_target"})) {
            targets = value;
        }
        return true;
    }

    bool start_object(std::size_t count) override
    {
        return fits(count) && enter();
    }

    bool key(string_t &name) override
    {
        keys.back() = name;
        return true;
    }

    bool end_object() override
    {
        keys.pop_back();
        if (!keys.empty() && keys.back() == "trees") {
            judge_tree();
        }
        return fault.empty();
    }

    /* An array is a level whose values have the array's own key. */
    bool start_array(std::size_t count) override
    {
        if (!keys.empty()) {
            links = keys.back() == "left_children"    ? &left
                    : keys.back() == "right_children" ? &right
                    : keys.back() == "split_indices"  ? &splits
                                                      : nullptr;
        }
        return fits(count);
    }

    bool end_array() override
    {
        links = nullptr;
        return true;
    }

    bool parse_error(std::size_t at, const std::string &, const nlohmann::detail::exception &) override
    {
        if (fault.empty()) {
            fault = "is cut off or damaged at byte " + std::to_string(at);
        }
        return false;
    }

    /* The trees' splits, once it is known how many columns there are. */
    bool splits_fit(uint64_t count) const
    {
        return last_split < 0 || static_cast<uint64_t>(last_split) < count;
    }

  private:
    size_t file_len;
    std::vector<std::string> keys; /* that lead to where the reader stands, one for each open object */
    std::vector<int64_t> left, right, splits, *links = nullptr;
    std::vector<bool> seen;
    int64_t last_split = -1;

    bool is_at(std::initializer_list<const char *> path) const
    {
        return std::equal(path.begin(), path.end(), keys.begin(), keys.end());
    }

    /* Of an array that says its length first, with values that take no room, such as null: nobody counts to 2^63. */
    bool fits(std::size_t count)
    {
        if (count != static_cast<std::size_t>(-1) && count > file_len) {
            fault = "is damaged: it says that it holds more values than bytes";
        }
        return fault.empty();
    }

    bool enter()
    {
        if (keys.size() == DEPTH_MAX) {
            fault = "is nested too deeply for a model";
            return false;
        }
        keys.emplace_back();
        return true;
    }

    void take(int64_t value)
    {
        if (links != nullptr) {
            links->push_back(value);
        } else if (is_at({"version"})) {
            version.push_back(value);
        }
    }

    bool adopt(int64_t child)
    {
        if (child < 0) {
            return true;
        }
        if (child == 0 || static_cast<size_t>(child) >= left.size() || seen[static_cast<size_t>(child)]) {
            return false;
        }
        seen[static_cast<size_t>(child)] = true;
        return true;
    }

    /* Each node but the root is the child of one other at most, so no way down from the root comes round again. */
    void judge_tree()
    {
        bool good = !left.empty() && left.size() == right.size() && left.size() == splits.size();
        seen.assign(left.size(), false);
        for (size_t i = 0; good && i < left.size(); i++) {
            good = (left[i] < 0) == (right[i] < 0) && adopt(left[i]) && adopt(right[i]);
            last_split = good && left[i] >= 0 && splits[i] > last_split ? splits[i] : last_split;
            good = good && splits[i] >= 0;
        }
        if (!good) {
            fault = "has a tree whose nodes do not lead to each other as they should: it is damaged";
        }
        left.clear();
        right.clear();
        splits.clear();
    }
};

uint64_t number_of(const std::string &text)
{
    return std::strtoull(text.c_str(), nullptr, 10);
}

/* "" where it is a model. */
std::string judge(const Reader &reader)
{
    if (reader.version.size() != 3 || reader.columns.empty() || reader.objective.empty()) {
        return "is no model that XGBoost has saved: it lacks `version`, `learner_model_param` or `objective`";
    }
    if (!reader.splits_fit(number_of(reader.columns))) {
        return "has a tree that splits on a column beyond the model's last one: it is damaged";
    }
    return "";
}

bool keep(const Reader &reader, model_header *ret)
{
    *ret = model_header{};
    for (size_t i = 0; i < 3; i++) {
        ret->version[i] = reader.version[i];
    }
    ret->columns = number_of(reader.columns);
    ret->classes = number_of(reader.classes);
    ret->targets = reader.targets.empty() ? 1 : number_of(reader.targets);
    std::snprintf(ret->objective, sizeof ret->objective, "%s", reader.objective.c_str());
    std::snprintf(ret->booster, sizeof ret->booster, "%s", reader.booster.c_str());
    ret->features = static_cast<char **>(std::calloc(reader.features.size() + 1, sizeof(char *)));
    if (ret->features == nullptr) {
        return false;
    }
    for (const std::string &name : reader.features) {
        char *copy = strdup(name.c_str());
        if (copy == nullptr) {
            return false;
        }
        ret->features[ret->feature_count++] = copy;
    }
    return true;
}

/* The second byte tells them apart: a key of UBJSON begins with the type of its length, one of JSON with a quote. */
bool is_binary(const char *bytes, size_t len)
{
    return len > 1 && std::memchr("iUIlLS", bytes[1], 6) != nullptr;
}

std::string read(const char *bytes, size_t len, model_header *ret)
{
    Reader reader(len);
    if (len < 2 || bytes[0] != '{') {
        return "is neither JSON nor Universal Binary JSON: save the model with `booster.save_model(\"model.json\")` or "
               "`(\"model.ubj\")`";
    }
    auto format = is_binary(bytes, len) ? json::input_format_t::ubjson : json::input_format_t::json;
    if (!json::sax_parse(bytes, bytes + len, &reader, format)) {
        return reader.fault;
    }
    std::string fault = judge(reader);
    if (fault.empty() && !keep(reader, ret)) {
        model_header_free(ret);
        return "cannot be read: out of memory";
    }
    return fault;
}

} // namespace

int model_header_read(const char *bytes, size_t len, struct model_header *ret, char *message, size_t size)
{
    try {
        std::string fault = read(bytes, len, ret);
        std::snprintf(message, size, "%s", fault.c_str());
        return fault.empty();
    } catch (const std::exception &e) {
        std::snprintf(message, size, "cannot be read: %s", e.what());
        return 0;
    }
}

void model_header_free(struct model_header *header)
{
    for (uint32_t i = 0; i < header->feature_count; i++) {
        std::free(header->features[i]);
    }
    std::free(header->features);
    *header = model_header{};
}
