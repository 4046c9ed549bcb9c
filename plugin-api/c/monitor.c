/* monitor.c: a complete accelerator monitor in C. Copy it, and put your vendor's library where `struct card` is.
 *
 * gcc -shared -fPIC -O2 -Wall -Wextra -Werror -fvisibility=hidden -Wl,-Bsymbolic -o libmonitor.so monitor.c
 *
 * Its cards are imagined: configuration {"cards": ["sn:a", "sn:b"]}, by default two. A card is fully used while it is
 * reserved, and idle otherwise. */
#include "aerolith_plugin.h"
#include "json.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CARDS_MAX 64
#define TEXT_MAX 256 /* an id or an instance's name, with its NUL */
#define MEMORY_BYTES 1073741824ul

typedef struct card {
    char id[TEXT_MAX];
    char owner[TEXT_MAX]; /* for whom it is reserved; empty when free */
} card;

typedef struct cards {
    size_t count;
    card card[CARDS_MAX];
} cards;

typedef struct monitor {
    const aerolith_host *host;
    pthread_mutex_t lock; /* guards `cards`: calls come from any thread */
    cards cards;
} monitor;

/* ---- Text: a reply under construction ---- */

typedef struct text {
    char *ptr;
    size_t len, room;
    bool failed; /* for want of memory */
} text;

static void text_bytes(text *t, const char *bytes, size_t len) {
    if (t->failed) return;
    if (t->len + len > t->room) {
        size_t room = (t->len + len) * 2;
        char *grown = realloc(t->ptr, room);
        t->failed = grown == NULL;
        if (t->failed) return;
        t->ptr = grown;
        t->room = room;
    }
    memcpy(t->ptr + t->len, bytes, len);
    t->len += len;
}

static void text_add(text *t, const char *plain) { text_bytes(t, plain, strlen(plain)); }

static void text_number(text *t, unsigned long number) {
    char digits[24];
    text_bytes(t, digits, (size_t)snprintf(digits, sizeof digits, "%lu", number));
}

/* As a JSON string. */
static void text_quoted(text *t, const char *string) {
    text_add(t, "\"");
    for (const char *c = string; *c != '\0'; c++) {
        char escape[8];
        if ((uint8_t)*c < ' ') text_bytes(t, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", *c));
        else if (*c == '"' || *c == '\\') text_bytes(t, escape, (size_t)snprintf(escape, sizeof escape, "\\%c", *c));
        else text_bytes(t, c, 1);
    }
    text_add(t, "\"");
}

/* ---- Answers ---- */

static int32_t give(aerolith_receiver to, const char *bytes, size_t len) {
    return to.take(to.into, (aerolith_view){(const uint8_t *)bytes, len});
}

static int32_t answer(aerolith_receiver reply, text *t) {
    int32_t code = t->failed ? AEROLITH_INTERNAL : give(reply, t->ptr, t->len);
    free(t->ptr);
    return code;
}

__attribute__((format(printf, 3, 4))) static int32_t fail(aerolith_receiver to, int32_t code, const char *format, ...) {
    char message[2 * TEXT_MAX + 128];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    size_t used = len < 0 ? 0 : (size_t)len < sizeof message ? (size_t)len : sizeof message - 4;
    while (used < (size_t)len && used > 0 && ((uint8_t)message[used] >> 6) == 2) used--; /* cut between characters */
    give(to, message, used);
    return code;
}

/* ---- Cards ---- */

static card *cards_find(cards *all, const char *id) {
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->card[i].id, id) == 0) return &all->card[i];
    }
    return NULL;
}

static int32_t cards_read(cards *all, json list, aerolith_receiver error) {
    json inside, element;
    if (!json_open(list, '[', &inside)) return fail(error, AEROLITH_INVALID, "`cards` is no list of card ids");
    for (all->count = 0; json_next(&inside, &element); all->count++) {
        if (all->count == CARDS_MAX) return fail(error, AEROLITH_INVALID, "`cards` has more than %d ids", CARDS_MAX);
        card *c = &all->card[all->count];
        if (!json_text(element, c->id, sizeof c->id) || c->id[0] == '\0')
            return fail(error, AEROLITH_INVALID, "an id in `cards` is no text of 1 to %d bytes", TEXT_MAX - 1);
        if (cards_find(all, c->id) != NULL)
            return fail(error, AEROLITH_INVALID, "card %s is listed twice in `cards`", c->id);
    }
    return AEROLITH_OK;
}

/* Reads a configuration into `all`, which then is what the configuration says, every card free. */
static int32_t configure(cards *all, aerolith_view config, aerolith_receiver error) {
    json document = {config.ptr, config.ptr + config.len}, inside, key, value;
    memset(all, 0, sizeof *all);
    all->count = 2;
    strcpy(all->card[0].id, "sn:probe-0");
    strcpy(all->card[1].id, "sn:probe-1");
    if (config.len == 0) return AEROLITH_OK;
    if (!json_valid(document) || !json_open(document, '{', &inside))
        return fail(error, AEROLITH_INVALID, "the configuration is no JSON object");
    while (json_pair(&inside, &key, &value)) {
        char name[TEXT_MAX] = "";
        if (!json_text(key, name, sizeof name) || strcmp(name, "cards") != 0)
            return fail(error, AEROLITH_INVALID, "unknown field `%s` in the configuration: expected `cards`", name);
        int32_t code = cards_read(all, value, error);
        if (code != AEROLITH_OK) return code;
    }
    return AEROLITH_OK;
}

/* ---- Requests ---- */

/* What the requests of this monitor hold: {"instance": text, "ids": [text]}, each of them optional. */
typedef struct request {
    char instance[TEXT_MAX];
    json ids; /* inside of the list, or nothing */
} request;

static int32_t request_read(request *r, aerolith_view bytes, aerolith_receiver error) {
    json document = {bytes.ptr, bytes.ptr + bytes.len}, inside, key, value, ids, element;
    memset(r, 0, sizeof *r);
    if (bytes.len == 0) return AEROLITH_OK;
    if (!json_valid(document) || !json_open(document, '{', &inside))
        return fail(error, AEROLITH_INVALID, "the request is no JSON object");
    while (json_pair(&inside, &key, &value)) {
        char name[TEXT_MAX] = "";
        json_text(key, name, sizeof name); /* one that has no room here is none of ours */
        if (strcmp(name, "instance") == 0 && !json_text(value, r->instance, sizeof r->instance))
            return fail(error, AEROLITH_INVALID, "`instance` is no text of at most %d bytes", TEXT_MAX - 1);
        if (strcmp(name, "ids") != 0) continue;
        if (!json_open(value, '[', &r->ids)) return fail(error, AEROLITH_INVALID, "`ids` is no list");
        for (ids = r->ids; json_next(&ids, &element);) {
            if (*element.at != '"') return fail(error, AEROLITH_INVALID, "`ids` holds something that is no text");
        }
    }
    return AEROLITH_OK;
}

/* The card that a list's element names, or nothing; then `code` is the answer. */
static card *named(monitor *m, json element, aerolith_receiver error, int32_t *code) {
    char id[TEXT_MAX] = "";
    card *found = json_text(element, id, sizeof id) ? cards_find(&m->cards, id) : NULL;
    int len = (int)(element.end - element.at);
    if (found == NULL)
        *code = id[0] != '\0' ? fail(error, AEROLITH_NOT_FOUND, "no card %s", id)
                              : fail(error, AEROLITH_NOT_FOUND, "no card %.*s", len, (const char *)element.at);
    return found;
}

/* ---- accel/1, each called with the lock held ---- */

static int32_t fingerprint(monitor *m, aerolith_view bytes, aerolith_receiver reply) {
    text t = {0};
    (void)bytes;
    text_add(&t, "{\"cards\":[");
    for (size_t i = 0; i < m->cards.count; i++) {
        text_add(&t, i == 0 ? "{\"id\":" : ",{\"id\":");
        text_quoted(&t, m->cards.card[i].id);
        text_add(&t, ",\"kind\":\"probe\",\"index\":");
        text_number(&t, i);
        text_add(&t, ",\"model\":\"Probe\",\"memory_bytes\":");
        text_number(&t, MEMORY_BYTES);
        text_add(&t, ",\"healthy\":true,\"attributes\":{}}");
    }
    text_add(&t, "],\"message\":\"\"}");
    return answer(reply, &t);
}

static void sample(text *t, const card *c) {
    bool used = c->owner[0] != '\0';
    text_add(t, t->ptr[t->len - 1] == '[' ? "{\"id\":" : ",{\"id\":");
    text_quoted(t, c->id);
    text_add(t, used ? ",\"utilization\":1.0,\"memory_used_bytes\":" : ",\"utilization\":0.0,\"memory_used_bytes\":");
    text_number(t, used ? MEMORY_BYTES : 0);
    text_add(t, ",\"absent\":{"
                "\"power_watts\":\"an imagined card has no meter\","
                "\"temperature_celsius\":\"an imagined card has no thermometer\"}}");
}

static int32_t stats(monitor *m, aerolith_view bytes, aerolith_receiver reply) {
    request r;
    json element;
    text t = {0};
    int32_t code = request_read(&r, bytes, reply);
    if (code != AEROLITH_OK) return code;
    text_add(&t, "{\"samples\":[");
    bool all = true;
    for (; !t.failed && json_next(&r.ids, &element); all = false) {
        const card *c = named(m, element, reply, &code);
        if (c == NULL) {
            free(t.ptr);
            return code;
        }
        sample(&t, c);
    }
    for (size_t i = 0; all && !t.failed && i < m->cards.count; i++) sample(&t, &m->cards.card[i]);
    text_add(&t, "]}");
    return answer(reply, &t);
}

/* Whether every card of the list can be had by the instance; nothing is changed yet. */
static int32_t reservable(monitor *m, const request *r, aerolith_receiver error) {
    json ids = r->ids, element;
    int32_t code = AEROLITH_OK;
    if (r->instance[0] == '\0') return fail(error, AEROLITH_INVALID, "`instance` is missing: for whom?");
    while (json_next(&ids, &element)) {
        const card *c = named(m, element, error, &code);
        if (c == NULL) return code;
        if (c->owner[0] != '\0' && strcmp(c->owner, r->instance) != 0)
            return fail(error, AEROLITH_BUSY, "card %s is reserved for %s", c->id, c->owner);
    }
    return AEROLITH_OK;
}

static int32_t reserve(monitor *m, aerolith_view bytes, aerolith_receiver reply) {
    request r;
    json element;
    text visible = {0}, t = {0};
    int32_t code = request_read(&r, bytes, reply);
    if (code == AEROLITH_OK) code = reservable(m, &r, reply);
    if (code != AEROLITH_OK) return code;
    while (json_next(&r.ids, &element)) {
        card *c = named(m, element, reply, &code);
        strcpy(c->owner, r.instance);
        if (visible.len > 0) text_add(&visible, ",");
        text_add(&visible, c->id);
    }
    text_bytes(&visible, "", 1);
    text_add(&t, "{\"environment\":{\"PROBE_VISIBLE_DEVICES\":");
    text_quoted(&t, visible.failed ? "" : visible.ptr);
    text_add(&t, "},\"mounts\":{},\"devices\":[]}");
    t.failed |= visible.failed;
    free(visible.ptr);
    return answer(reply, &t);
}

static int32_t release(monitor *m, aerolith_view bytes, aerolith_receiver reply) {
    request r;
    int32_t code = request_read(&r, bytes, reply);
    if (code != AEROLITH_OK) return code;
    for (size_t i = 0; i < m->cards.count; i++) {
        if (strcmp(m->cards.card[i].owner, r.instance) == 0) m->cards.card[i].owner[0] = '\0';
    }
    return AEROLITH_OK;
}

/* ---- plugin/1 ---- */

static int32_t start(monitor *m, aerolith_view bytes, aerolith_receiver reply) {
    (void)bytes, (void)reply;
    m->host->log(m->host->ctx, AEROLITH_INFO, AEROLITH_TEXT("monitor"), AEROLITH_TEXT("watching"), AEROLITH_TEXT(""));
    return AEROLITH_OK;
}

/* A card that stays keeps its owner. A configuration that is refused changes nothing. */
static int32_t reload(monitor *m, aerolith_view bytes, aerolith_receiver reply) {
    cards next;
    int32_t code = configure(&next, bytes, reply);
    if (code != AEROLITH_OK) return code;
    for (size_t i = 0; i < next.count; i++) {
        const card *before = cards_find(&m->cards, next.card[i].id);
        if (before != NULL) strcpy(next.card[i].owner, before->owner);
    }
    m->cards = next;
    return AEROLITH_OK;
}

/* drain, resume and stop: a monitor owns nothing that a successor would need, and works only when it is asked. */
static int32_t nothing(monitor *m, aerolith_view bytes, aerolith_receiver reply) {
    (void)m, (void)bytes, (void)reply;
    return AEROLITH_OK;
}

/* It does its work as it should. A core of API 0.1 never asks. */
static int32_t health(monitor *m, aerolith_view bytes, aerolith_receiver reply) {
    (void)m, (void)bytes;
    return reply.take(reply.into, AEROLITH_TEXT("{\"state\":\"healthy\"}"));
}

/* ---- The entry ---- */

static const struct {
    const char *name;
    int32_t (*run)(monitor *, aerolith_view, aerolith_receiver);
} METHODS[] = {
    {"accel/1.fingerprint", fingerprint}, {"accel/1.stats", stats},   {"accel/1.reserve", reserve},
    {"accel/1.release", release},         {"plugin/1.start", start},  {"plugin/1.reload", reload},
    {"plugin/1.drain", nothing},          {"plugin/1.resume", nothing}, {"plugin/1.health", health},
    {"plugin/1.stop", nothing},
};

static int32_t call(void *self, aerolith_view method, aerolith_view bytes, const aerolith_receiver *items,
                    aerolith_receiver reply) {
    monitor *m = self;
    (void)items; /* nothing streams here */
    for (size_t i = 0; i < sizeof METHODS / sizeof *METHODS; i++) {
        if (method.len != strlen(METHODS[i].name) || memcmp(method.ptr, METHODS[i].name, method.len) != 0) continue;
        pthread_mutex_lock(&m->lock);
        int32_t code = METHODS[i].run(m, bytes, reply);
        pthread_mutex_unlock(&m->lock);
        return code;
    }
    return fail(reply, AEROLITH_UNIMPLEMENTED, "no such method: %.*s", (int)method.len, (const char *)method.ptr);
}

static int32_t send(void *self, aerolith_view method, aerolith_view item) {
    (void)self, (void)method, (void)item;
    return -AEROLITH_UNIMPLEMENTED;
}

static int32_t create(const aerolith_host *host, aerolith_view instance, aerolith_view config, aerolith_view state,
                      void **out, aerolith_receiver error) {
    (void)instance, (void)state;
    monitor *m = calloc(1, sizeof *m);
    if (m == NULL) return fail(error, AEROLITH_INTERNAL, "no memory for %zu bytes", sizeof *m);
    int32_t code = configure(&m->cards, config, error);
    if (code != AEROLITH_OK) {
        free(m);
        return code;
    }
    m->host = host;
    pthread_mutex_init(&m->lock, NULL);
    *out = m;
    return AEROLITH_OK;
}

static void destroy(void *self) {
    monitor *m = self;
    pthread_mutex_destroy(&m->lock);
    free(m);
}

AEROLITH_PLUGIN("{\"format\":1,\"api\":\"" AEROLITH_API "\",\"api_min\":\"0.1\","
                "\"name\":\"monitor-c\",\"version\":\"0.1.0\",\"vendor\":\"Aerolith\","
                "\"provides\":{\"accel/1\":[\"fingerprint\",\"stats\",\"reserve\",\"release\"],"
                "\"plugin/1\":[\"start\",\"reload\",\"drain\",\"resume\",\"health\",\"stop\"]},"
                "\"replace\":\"beside\",\"permissions\":[]}",
                create, call, send, destroy);
