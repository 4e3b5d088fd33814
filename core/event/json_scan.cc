// simdjson's on-demand parser behind a C interface. On-demand checks only what is read, so every value is read.
#define SIMDJSON_EXCEPTIONS 0
#include "event/json_scan.h"

#include <cstring>
#include <new>
#include <simdjson.h>
#include <utility>

extern "C" {
#include "base/decimal.h"
}

using namespace simdjson;

static_assert(JSON_SCAN_PADDING >= SIMDJSON_PADDING, "the parser reads behind the text");

struct json_scanner {
    ondemand::parser parser;
    const name_index *data_names = nullptr;
    json_token members[JSON_MEMBER_COUNT] = {};
    json_token *data = nullptr; // by id of data_names; counts when its round is the current one
    uint64_t round = 0;
};

static const json_token absent = {{nullptr, 0, 0}, JSON_ABSENT, 0};

json_scanner *json_scanner_new(const name_index *data_names)
{
    json_scanner *scanner = new (std::nothrow) json_scanner();
    if (scanner == nullptr) {
        return nullptr;
    }
    scanner->data_names = data_names;
    scanner->data = new (std::nothrow) json_token[data_names->count + 1]();
    if (scanner->data == nullptr) {
        delete scanner;
        return nullptr;
    }
    return scanner;
}

void json_scanner_free(json_scanner *scanner)
{
    if (scanner != nullptr) {
        delete[] scanner->data;
        delete scanner;
    }
}

const json_token *json_scan_member(const json_scanner *scanner, json_member member)
{
    return &scanner->members[member];
}

const json_token *json_scan_data(const json_scanner *scanner, uint32_t data_name)
{
    const json_token *token = &scanner->data[data_name];
    return token->round == scanner->round ? token : &absent;
}

static json_result result_of(error_code error)
{
    switch (error) {
    case SUCCESS:
        return JSON_OK;
    case UTF8_ERROR:
        return JSON_INVALID_UTF8;
    case MEMALLOC:
    case CAPACITY:
        return JSON_NO_MEMORY;
    default:
        return JSON_INVALID;
    }
}

static std::string_view trimmed(std::string_view token)
{
    size_t end = token.find_last_not_of(" \t\n\r");
    return token.substr(0, end == std::string_view::npos ? 0 : end + 1);
}

static churn_str str_of(std::string_view view)
{
    return {view.data(), static_cast<uint32_t>(view.size()), 0};
}

// A token without a backslash is its own value; any other is unescaped, which also finds lone surrogates.
static json_result read_string(ondemand::value &value, std::string_view raw, churn_str *ret)
{
    if (raw.size() >= 2 && std::memchr(raw.data(), '\\', raw.size()) == nullptr) {
        ondemand::raw_json_string consumed; // an unread string could pass for the key of what follows
        *ret = str_of(raw.substr(1, raw.size() - 2));
        return result_of(value.get_raw_json_string().get(consumed));
    }
    std::string_view unescaped;
    error_code error = value.get_string().get(unescaped);
    if (error == SUCCESS) {
        *ret = str_of(unescaped);
    }
    return result_of(error);
}

static json_result read_scalar(ondemand::value &value, std::string_view raw, json_token *token)
{
    token->text = str_of(raw);
    switch (raw[0]) {
    case '"':
        token->kind = JSON_STRING;
        return read_string(value, raw, &token->text);
    case 't':
    case 'f':
        token->kind = JSON_BOOL;
        return raw == "true" || raw == "false" ? JSON_OK : JSON_INVALID;
    case 'n':
        token->kind = JSON_NULL;
        return raw == "null" ? JSON_OK : JSON_INVALID;
    default:
        token->kind = JSON_NUMBER;
        return decimal_is_number(raw.data(), raw.size()) ? JSON_OK : JSON_INVALID;
    }
}

static json_result read_key(ondemand::field &field, std::string_view *ret)
{
    const char *start = field.key().raw(), *end = start;
    while (*end != '"' && *end != '\\') { // the first stage found a closing quote
        end++;
    }
    if (*end == '"') {
        *ret = std::string_view(start, static_cast<size_t>(end - start));
        return JSON_OK;
    }
    return result_of(field.unescaped_key().get(*ret));
}

static json_result read_value(ondemand::value value, unsigned depth, json_token *token);

static json_result read_items(ondemand::array array, unsigned depth)
{
    for (auto item : array) {
        ondemand::value child;
        json_token ignored;
        error_code error = std::move(item).get(child);
        json_result result = error != SUCCESS ? result_of(error) : read_value(child, depth + 1, &ignored);
        if (result != JSON_OK) {
            return result;
        }
    }
    return JSON_OK;
}

// Calls take(key) for each member: it says where the member's value goes.
template <typename take_fn> static json_result read_object(ondemand::object object, unsigned depth, take_fn take)
{
    for (auto member : object) {
        ondemand::field field;
        std::string_view key;
        error_code error = std::move(member).get(field);
        json_result result = error != SUCCESS ? result_of(error) : read_key(field, &key);
        if (result == JSON_OK) {
            result = take(key, field.value(), depth + 1);
        }
        if (result != JSON_OK) {
            return result;
        }
    }
    return JSON_OK;
}

static json_result read_value(ondemand::value value, unsigned depth, json_token *token)
{
    std::string_view raw = trimmed(value.raw_json_token());
    if (raw.empty()) {
        return JSON_INVALID;
    }
    if (raw[0] != '{' && raw[0] != '[') {
        return read_scalar(value, raw, token);
    }
    token->text = str_of(raw);
    token->kind = raw[0] == '{' ? JSON_OBJECT : JSON_ARRAY;
    if (depth > JSON_SCAN_MAX_DEPTH) {
        return JSON_TOO_DEEP;
    }
    if (raw[0] == '[') {
        ondemand::array array;
        error_code error = value.get_array().get(array);
        return error != SUCCESS ? result_of(error) : read_items(array, depth);
    }
    ondemand::object object;
    error_code error = value.get_object().get(object);
    if (error != SUCCESS) {
        return result_of(error);
    }
    return read_object(object, depth, [](std::string_view, ondemand::value child, unsigned level) {
        json_token ignored;
        return read_value(child, level, &ignored);
    });
}

// The text of the object or array that begins at `start` and was just read.
static json_result text_until_here(ondemand::document &document, const char *start, churn_str *ret)
{
    const char *end;
    error_code error = document.current_location().get(end); // the token behind it
    if (error != SUCCESS) {
        return result_of(error);
    }
    while (end > start && end[-1] != '}' && end[-1] != ']') {
        end--;
    }
    *ret = str_of(std::string_view(start, static_cast<size_t>(end - start)));
    return JSON_OK;
}

// `data` again makes what an earlier one held void, whatever the new one is.
static json_result read_data(json_scanner *scanner, ondemand::document &document, ondemand::value value, unsigned depth)
{
    json_token *whole = &scanner->members[JSON_MEMBER_DATA];
    std::string_view raw = trimmed(value.raw_json_token());
    scanner->round++;
    if (raw.empty() || raw[0] != '{') {
        return read_value(value, depth, whole);
    }
    ondemand::object object;
    error_code error = value.get_object().get(object);
    if (error != SUCCESS) {
        return result_of(error);
    }
    json_result result =
        read_object(object, depth, [scanner](std::string_view key, ondemand::value child, unsigned level) {
            json_token ignored;
            int32_t id = name_index_find(scanner->data_names, key.data(), key.size());
            json_token *token = id >= 0 ? &scanner->data[id] : &ignored;
            token->round = scanner->round;
            return read_value(child, level, token);
        });
    if (result != JSON_OK) {
        return result;
    }
    whole->kind = JSON_OBJECT;
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): a place in the document, no text
    return text_until_here(document, raw.data(), &whole->text);
}

static int member_of(std::string_view key)
{
    switch (key.size()) {
    case 4:
        return key == "data" ? JSON_MEMBER_DATA : -1;
    case 8:
        return key == "event_id" ? JSON_MEMBER_EVENT_ID : -1;
    case 9:
        return key == "timestamp" ? JSON_MEMBER_TIMESTAMP : -1;
    case 10:
        return key == "event_type" ? JSON_MEMBER_EVENT_TYPE : -1;
    case 11:
        return key == "customer_id" ? JSON_MEMBER_CUSTOMER_ID : -1;
    default:
        return -1;
    }
}

static bool is_at_end(ondemand::document &document)
{
    const char *rest;
    return document.current_location().get(rest) == OUT_OF_BOUNDS;
}

// Any other JSON value is told from what is no JSON at all.
static json_result scan_other(ondemand::document &document, std::string_view text)
{
    ondemand::array array;
    std::string_view string;
    size_t start = text.find_first_not_of(" \t\n\r");
    bool valid;
    text = trimmed(text).substr(start);
    if (text[0] == '[') {
        error_code error = document.get_array().get(array);
        json_result result = error != SUCCESS ? result_of(error) : read_items(array, 1);
        if (result != JSON_OK) {
            return result;
        }
        valid = is_at_end(document);
    } else if (text[0] == '"') {
        valid = document.get_string().get(string) == SUCCESS && is_at_end(document);
    } else {
        valid = text == "true" || text == "false" || text == "null" || decimal_is_number(text.data(), text.size());
    }
    return valid ? JSON_NOT_AN_OBJECT : JSON_INVALID;
}

static json_result scan_document(json_scanner *scanner, ondemand::document &document, std::string_view text)
{
    ondemand::object object;
    error_code error = document.get_object().get(object);
    if (error != SUCCESS) {
        return error == INCORRECT_TYPE ? scan_other(document, text) : result_of(error);
    }
    json_result result =
        read_object(object, 1, [scanner, &document](std::string_view key, ondemand::value child, unsigned level) {
            json_token ignored;
            int member = member_of(key);
            if (member == JSON_MEMBER_DATA) {
                return read_data(scanner, document, child, level);
            }
            return read_value(child, level, member >= 0 ? &scanner->members[member] : &ignored);
        });
    if (result == JSON_OK && !is_at_end(document)) {
        return JSON_INVALID; // something follows the object
    }
    return result;
}

json_result json_scan(json_scanner *scanner, const char *json, size_t len)
{
    ondemand::document document;
    std::memset(scanner->members, 0, sizeof scanner->members);
    scanner->round++;
    if (std::string_view(json, len).substr(0, 3) == "\xef\xbb\xbf") {
        return JSON_INVALID; // simdjson 3 passes over a byte order mark
    }
    error_code error = scanner->parser.iterate(padded_string_view(json, len, len + SIMDJSON_PADDING)).get(document);
    if (error != SUCCESS) {
        return error == EMPTY ? JSON_INVALID : result_of(error);
    }
    return scan_document(scanner, document, std::string_view(json, len));
}

bool json_is_utf8(churn_str text)
{
    return simdjson::validate_utf8(text.ptr, text.len);
}

json_result json_members(json_scanner *scanner, churn_str json, json_member_fn fn, void *ctx)
{
    ondemand::document document;
    ondemand::object object;
    padded_string_view text(json.ptr, json.len, json.len + SIMDJSON_PADDING);
    error_code error = scanner->parser.iterate(text).get(document);
    if (error == SUCCESS) {
        error = document.get_object().get(object);
    }
    if (error != SUCCESS) {
        return result_of(error);
    }
    return read_object(object, 1, [&document, fn, ctx](std::string_view key, ondemand::value child, unsigned level) {
        std::string_view raw = trimmed(child.raw_json_token());
        churn_str value = str_of(raw);
        json_token ignored;
        json_result result = read_value(child, level, &ignored);
        if (result == JSON_OK && (ignored.kind == JSON_OBJECT || ignored.kind == JSON_ARRAY)) {
            // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): a place in the document, no text
            result = text_until_here(document, raw.data(), &value);
        }
        if (result == JSON_OK) {
            fn(ctx, str_of(key), value);
        }
        return result;
    });
}
