#include "observe/customer_view.h"

#include "base/json_parse.h"
#include "observe/html.h"
#include "observe/view.h"
#include <json-c/json.h>

unsigned customer_view_status(const struct lookup_question *answer)
{
    switch (answer->result) {
    case LOOKUP_FOUND:
        return 200;
    case LOOKUP_UNKNOWN:
    case LOOKUP_NO_STORE:
        return 404;
    case LOOKUP_UNREADABLE:
        return 500;
    default:
        return 503;
    }
}

/* For people; NULL: all is well. */
static const char *remark_of(const struct lookup_question *answer)
{
    switch (answer->result) {
    case LOOKUP_UNKNOWN:
        return "there is neither a profile nor a prediction of this customer";
    case LOOKUP_FOUND:
        return answer->message[0] != '\0' ? answer->message : NULL;
    default:
        return answer->message;
    }
}

static void append_member(struct text *out, const char *name, const struct text *json)
{
    text_printf(out, ",\"%s\":", name);
    if (json->len > 0) {
        text_append(out, json->bytes, json->len);
    } else {
        text_append_string(out, "null");
    }
}

void customer_view_append_json(struct text *out, const struct lookup_question *answer)
{
    const char *remark = remark_of(answer);
    text_append_string(out, "{\"customer_id\":");
    text_append_json(out, answer->id, strlen(answer->id));
    if (answer->result == LOOKUP_FOUND) {
        append_member(out, "profile", &answer->profile);
        append_member(out, "prediction", &answer->prediction);
    }
    if (remark != NULL) {
        text_printf(out, ",\"%s\":", answer->result == LOOKUP_FOUND ? "damaged" : "error");
        text_append_json(out, remark, strlen(remark));
    }
    text_append_string(out, "}\n");
}

static void append_row(struct text *out, const char *name, struct json_object *value)
{
    const char *text = json_object_get_string(value);
    bool number = json_object_get_type(value) != json_type_string;
    text_append_string(out, "<tr><th scope=\"row\">");
    text_append_html_string(out, name);
    text_printf(out, "</th><td%s>", number ? " class=\"number\"" : "");
    if (number) {
        view_append_number(out, churn_text(text));
    } else {
        text_append_html_string(out, text != NULL ? text : "");
    }
    text_append_string(out, "</td></tr>");
}

static void append_table(struct text *out, const char *caption, const struct text *json)
{
    bool ok;
    struct json_object *object = json->len > 0 ? json_parse(json->bytes, json->len, 4, &ok) : NULL;
    if (object == NULL) {
        text_printf(out, "<section><p class=\"quiet\">no %s</p></section>", caption);
        return;
    }
    text_printf(out, "<section><table><caption>%s</caption><tbody>", caption);
    json_object_object_foreach(object, name, value)
    {
        append_row(out, name, value);
    }
    text_append_string(out, "</tbody></table></section>");
    (void)json_object_put(object);
}

void customer_view_append(struct text *out, const struct lookup_question *answer)
{
    const char *remark = remark_of(answer);
    text_append_string(out, "<h3>");
    text_append_html_string(out, answer->id);
    text_append_string(out, "</h3>");
    if (remark != NULL) {
        text_append_string(out, answer->result == LOOKUP_FOUND || answer->result == LOOKUP_UNREADABLE
                                    ? "<p class=\"banner\">This profile is damaged: "
                                    : "<p>");
        text_append_html_string(out, remark);
        text_append_string(out, "</p>");
    }
    if (answer->result == LOOKUP_FOUND) {
        text_append_string(out, "<div class=\"tables\">");
        append_table(out, "prediction", &answer->prediction);
        append_table(out, "profile", &answer->profile);
        text_append_string(out, "</div>");
    }
}

void customer_view_append_url(struct text *out, const char *id)
{
    for (const unsigned char *at = (const unsigned char *)id; *at != '\0'; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') ||
                     *at == '-' || *at == '_' || *at == '.';
        text_printf(out, plain ? "%c" : "%%%02X", *at);
    }
}
