/* json.h: reads JSON (RFC 8259) where it lies, without allocating. Knows nothing of Aerolith.
 *
 * A document is checked once as a whole (json_valid); afterwards a cursor walks through its arrays and objects, and every
 * value is a span of the document's bytes. */
#ifndef MONITOR_JSON_H
#define MONITOR_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JSON_DEPTH 64 /* deeper documents are refused */

typedef struct json {
    const uint8_t *at, *end;
} json;

static bool json_value(json *j, int depth);

static void json_space(json *j) {
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r')) j->at++;
}

static bool json_take(json *j, uint8_t c) {
    json_space(j);
    if (j->at == j->end || *j->at != c) return false;
    j->at++;
    return true;
}

static bool json_word(json *j, const char *word) {
    size_t len = strlen(word);
    if ((size_t)(j->end - j->at) < len || memcmp(j->at, word, len) != 0) return false;
    j->at += len;
    return true;
}

static bool json_digits(json *j) {
    const uint8_t *first = j->at;
    while (j->at < j->end && *j->at >= '0' && *j->at <= '9') j->at++;
    return j->at > first;
}

static bool json_number(json *j) {
    json_word(j, "-");
    if (!json_word(j, "0") && !json_digits(j)) return false;
    if (json_word(j, ".") && !json_digits(j)) return false;
    if (json_word(j, "e") || json_word(j, "E")) {
        if (!json_word(j, "+")) json_word(j, "-");
        return json_digits(j);
    }
    return true;
}

/* Four hexadecimal digits, or -1. */
static int32_t json_hex(json *j) {
    int32_t value = 0;
    if (j->end - j->at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        uint8_t c = *j->at++;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* The code point behind `\u`, with its second half where it is a surrogate; or -1. */
static int32_t json_unicode(json *j) {
    int32_t high = json_hex(j);
    if (high < 0xD800 || high > 0xDFFF) return high;
    if (high > 0xDBFF || !json_word(j, "\\u")) return -1;
    int32_t low = json_hex(j);
    return low < 0xDC00 || low > 0xDFFF ? -1 : 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

/* One character as it lies there (RFC 3629, section 4), or -1. */
static int32_t json_utf8(json *j) {
    static const int32_t least[] = {0, 0x80, 0x800, 0x10000};
    uint8_t first = *j->at++;
    int more = first < 0x80 ? 0 : first >> 5 == 6 ? 1 : first >> 4 == 14 ? 2 : first >> 3 == 30 ? 3 : -1;
    if (more < 0 || j->end - j->at < more) return -1;
    int32_t point = more == 0 ? first : first & (0x3F >> more);
    for (int i = 0; i < more; i++) {
        if (*j->at >> 6 != 2) return -1;
        point = point << 6 | (*j->at++ & 0x3F);
    }
    bool surrogate = point >= 0xD800 && point <= 0xDFFF;
    return point < least[more] || point > 0x10FFFF || surrogate ? -1 : point;
}

/* The next character of a string's inside, escapes resolved; or -1. */
static int32_t json_character(json *j) {
    if (*j->at != '\\') return *j->at < ' ' ? -1 : json_utf8(j);
    if (++j->at == j->end) return -1;
    switch (*j->at++) {
    case '"': return '"';
    case '\\': return '\\';
    case '/': return '/';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'u': return json_unicode(j);
    default: return -1;
    }
}

static bool json_string(json *j) {
    if (!json_take(j, '"')) return false;
    while (j->at < j->end && *j->at != '"') {
        if (json_character(j) < 0) return false;
    }
    return json_take(j, '"');
}

static bool json_members(json *j, uint8_t close, bool named, int depth) {
    if (json_take(j, close)) return true;
    do {
        if (named && (!json_string(j) || !json_take(j, ':'))) return false;
        if (!json_value(j, depth)) return false;
    } while (json_take(j, ','));
    return json_take(j, close);
}

/* Walks over one value; false where it is none. */
static bool json_value(json *j, int depth) {
    json_space(j);
    if (j->at == j->end || depth == 0) return false;
    switch (*j->at) {
    case '{': j->at++; return json_members(j, '}', true, depth - 1);
    case '[': j->at++; return json_members(j, ']', false, depth - 1);
    case '"': return json_string(j);
    case 't': return json_word(j, "true");
    case 'f': return json_word(j, "false");
    case 'n': return json_word(j, "null");
    default: return json_number(j);
    }
}

/* Whether the bytes are one JSON value and nothing else. */
static bool json_valid(json document) {
    if (!json_value(&document, JSON_DEPTH)) return false;
    json_space(&document);
    return document.at == document.end;
}

/* Steps into a valid array or object ('[' or '{'); false when the value is something else. */
static bool json_open(json value, uint8_t kind, json *inside) {
    *inside = value;
    return json_take(inside, kind);
}

/* The next element of an array that was stepped into; false at its end. */
static bool json_next(json *inside, json *element) {
    json_take(inside, ',');
    json_space(inside);
    element->at = inside->at;
    bool found = inside->at < inside->end && *inside->at != ']' && json_value(inside, JSON_DEPTH);
    element->end = inside->at;
    return found;
}

/* The next member of an object that was stepped into; false at its end. */
static bool json_pair(json *inside, json *key, json *value) {
    json_take(inside, ',');
    json_space(inside);
    key->at = inside->at;
    if (!json_string(inside)) return false;
    key->end = inside->at;
    json_take(inside, ':');
    return json_next(inside, value);
}

/* A string's text in UTF-8, with a NUL behind it. False when the value is no string, holds a NUL, or has no room: a
 * string is never cut. */
static bool json_text(json value, char *out, size_t room) {
    json_space(&value);
    if (value.at == value.end || *value.at != '"') return false;
    size_t len = 0;
    for (value.at++; *value.at != '"';) {
        int32_t c = json_character(&value);
        int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        if (c == 0 || len + (size_t)more + 2 > room) return false;
        static const uint8_t mark[] = {0, 0xC0, 0xE0, 0xF0};
        out[len++] = (char)(mark[more] | c >> (6 * more));
        for (int i = more - 1; i >= 0; i--) out[len++] = (char)(0x80 | (c >> (6 * i) & 0x3F));
    }
    out[len] = '\0';
    return true;
}

#endif
