/* aerolith_plugin.h: how a plugin in C, or in any language that speaks C, meets Aerolith. Entry major 1.
 *
 * A plugin is a shared library that exports one symbol, `aerolith_plugin_v1`, a table of four functions; AEROLITH_PLUGIN
 * at the end of this file writes it, together with the two sections that the core reads before it loads the file.
 *
 * The rules, once for all of them:
 *
 *   Methods    Everything is a method by name: `accel/1.stats` is the method `stats` of version 1 of the capability
 *              `accel`. Every plugin answers `plugin/1` (start, reload, drain, resume, health, stop) and what its
 *              manifest says that it provides. Any other method answers AEROLITH_UNIMPLEMENTED.
 *   Payloads   Requests and replies are JSON in UTF-8, except where a capability says raw bytes. An empty request is an
 *              empty object. Tolerate unknown members of a request: that is how a newer core speaks to an older plugin.
 *              What is no JSON, or of a wrong type, answers AEROLITH_INVALID.
 *   Memory     Nobody frees the other side's memory. Views are valid for the call that carries them: copy what you keep.
 *              Results go to a receiver, which copies.
 *   Tables     Every table begins with its size and is only ever appended to. Before you use a member that came later
 *              than the first release, ask whether it lies within the size that the other side wrote (AEROLITH_HAS).
 *   Threads    Any function may be called from any thread, several at once. A call may block; `send` may not.
 *   The rest   Never let a C++ exception or a longjmp out; never call exit(); set no signal handler, working directory,
 *              umask, environment variable or resource limit, and wait only for processes that you started: all that is
 *              the process's, and the process is the core's.
 */
#ifndef AEROLITH_PLUGIN_H
#define AEROLITH_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Major of this entry: a library of another major is not loaded. */
#define AEROLITH_ENTRY_MAJOR 1u
/* The plugin API of this header, for the manifest's `api` and `api_min`. */
#define AEROLITH_API "0.2"

/* What a function answers, as int32_t. The numbers are frozen; one that the other side does not know reads as INTERNAL.
 * IO, BUSY, TIMEOUT and UNAVAILABLE tell the core that trying again may help. */
enum aerolith_code {
    AEROLITH_OK = 0,
    AEROLITH_PANIC = 1,         /* the plugin's code broke down; the instance is done for */
    AEROLITH_UNIMPLEMENTED = 2, /* no such method */
    AEROLITH_INVALID = 3,       /* the request or the configuration is wrong */
    AEROLITH_IO = 4,            /* a file, socket or device failed */
    AEROLITH_BUSY = 5,          /* no room now */
    AEROLITH_INTERNAL = 6,      /* a fault of the program */
    AEROLITH_NOT_FOUND = 7,     /* what the request names does not exist: name it in the message */
    AEROLITH_DENIED = 8,        /* neither the manifest nor the operator permits it */
    AEROLITH_TIMEOUT = 9,       /* the deadline passed */
    AEROLITH_STOPPED = 10,      /* the instance has stopped, or the call was cancelled */
    AEROLITH_UNAVAILABLE = 11   /* the other side cannot be reached now */
};

/* What `send` answers beside a negated code such as -AEROLITH_INVALID. */
#define AEROLITH_ACCEPTED 0 /* taken */
#define AEROLITH_FULL 1     /* no room: nothing was taken, try later */

/* Levels of the log. */
enum aerolith_level {
    AEROLITH_ERROR = 1,
    AEROLITH_WARN = 2,
    AEROLITH_INFO = 3,
    AEROLITH_DEBUG = 4,
    AEROLITH_TRACE = 5
};

/* Borrowed bytes; text is UTF-8 without a terminating NUL. `ptr` may be null when `len` is 0. */
typedef struct aerolith_view {
    const uint8_t *ptr;
    size_t len;
} aerolith_view;

/* Takes bytes and copies them. Answers 0, or a code when no more is wanted: then stop, and answer that code. */
typedef int32_t (*aerolith_take)(void *into, aerolith_view data);

/* Whoever takes a result. What is given in several pieces is joined. Valid until the function that got it returns. */
typedef struct aerolith_receiver {
    aerolith_take take;
    void *into;
} aerolith_receiver;

/* What the core does for one instance. Valid from `create` until `destroy` returns. */
typedef struct aerolith_host {
    uint32_t size;      /* sizeof(aerolith_host) of the core */
    uint32_t api_minor; /* minor of the API that the core speaks */
    void *ctx;          /* pass it back to every function */

    /* Writes to the core's log. `level` is an aerolith_level; `fields` is a JSON object or empty. */
    void (*log)(void *ctx, uint8_t level, aerolith_view target, aerolith_view message, aerolith_view fields);

    /* Calls a method of `host/1` (kv_get, kv_put, kv_delete, kv_list, secret, config), or of another plugin that the
     * manifest's permissions name, and waits for the answer. `reply` takes the answer, or the error's message. */
    int32_t (*call)(void *ctx, aerolith_view method, aerolith_view request, aerolith_receiver reply);

    /* The one-way path, which never blocks: `host/1.metric`, `host/1.publish`, `host/1.process`, `host/1.failed`, or
     * another plugin's. AEROLITH_ACCEPTED, AEROLITH_FULL or a negated code. */
    int32_t (*send)(void *ctx, aerolith_view method, aerolith_view item);

    /* Leaves a duplicate of a descriptor in the instance's descriptor store, for a successor. 0 or a code. */
    int32_t (*keep)(void *ctx, aerolith_view name, int32_t fd);

    /* Takes a descriptor out of the store; it is yours to close. -1 when there is none of that name. */
    int32_t (*take)(void *ctx, aerolith_view name);
} aerolith_host;

/* What a library exports as `aerolith_plugin_v1`. */
typedef struct aerolith_plugin {
    uint32_t size;        /* sizeof(aerolith_plugin) */
    uint32_t entry_major; /* AEROLITH_ENTRY_MAJOR */
    aerolith_view manifest;

    /* Makes an instance from its name, its configuration (JSON; empty means an empty object), and the bytes that a
     * predecessor's `drain` answered (or nothing). It does not block for long and does not yet do any work: that
     * begins with `plugin/1.start`. On success it leaves the instance in `out` and answers 0; else it gives a message
     * to `error` and answers a code. Several instances of one library may live at once. */
    int32_t (*create)(const aerolith_host *host, aerolith_view instance, aerolith_view config, aerolith_view state,
                      void **out, aerolith_receiver error);

    /* Answers a method. `items` takes the items of a streaming method, one item a call, and is null for any other.
     * `reply` takes the answer, or the error's message when a code is returned. */
    int32_t (*call)(void *self, aerolith_view method, aerolith_view request, const aerolith_receiver *items,
                    aerolith_receiver reply);

    /* The one-way path: AEROLITH_ACCEPTED, AEROLITH_FULL or a negated code, at once. */
    int32_t (*send)(void *self, aerolith_view method, aerolith_view item);

    /* Ends the instance. No call is running, and none comes any more. */
    void (*destroy)(void *self);
} aerolith_plugin;

/* Whether the side that wrote the table `t` knows its member `m`. */
#define AEROLITH_HAS(t, m) ((t)->size >= (size_t)((const char *)(&(t)->m + 1) - (const char *)(t)))

/* A view of a string literal. */
#define AEROLITH_TEXT(literal) ((aerolith_view){(const uint8_t *)(literal), sizeof(literal) - 1})

#define AEROLITH_EXPORT __attribute__((visibility("default")))

#if defined(__has_attribute)
#if __has_attribute(nonstring)
#define AEROLITH_BYTES __attribute__((nonstring))
#endif
#endif
#ifndef AEROLITH_BYTES
#define AEROLITH_BYTES
#endif

extern AEROLITH_EXPORT const aerolith_plugin aerolith_plugin_v1;

/* Writes the whole entry; use it once, in a C file (C++ does not let an array drop the NUL of its text).
 *
 * `json` is the manifest, a string literal:
 *   {"format": 1, "api": AEROLITH_API, "api_min": AEROLITH_API,
 *    "name": lower case letters, digits and '-', "version": yours, for people, "vendor": you,
 *    "provides": {"accel/1": ["fingerprint", ...], "plugin/1": ["start", "reload", "drain", "resume", "health", "stop"]},
 *    "replace": "beside" | "handover",
 *    "permissions": ["call CAPABILITY" | "publish FILTER" | "subscribe FILTER" | "kv" | "secrets" | "descriptors" |
 *                    "processes"]}
 * It lies in the section `.aerolith_plugin`, so that the core knows the plugin before it runs any of its code; the
 * section `.aerolith_marker` says that the library is entered through C. */
#define AEROLITH_PLUGIN(json, create, call, send, destroy)                                                            \
    __attribute__((used, section(".aerolith_plugin"))) AEROLITH_BYTES static const uint8_t                            \
        aerolith_manifest_[sizeof(json) - 1] = json;                                                                  \
    __attribute__((used, section(".aerolith_marker"))) static const uint8_t aerolith_marker_[5] = {'A', 'P', 1, 'C',  \
                                                                                                   'U'};              \
    AEROLITH_EXPORT const aerolith_plugin aerolith_plugin_v1 = {                                                      \
        sizeof(aerolith_plugin), AEROLITH_ENTRY_MAJOR, {aerolith_manifest_, sizeof aerolith_manifest_},               \
        create,                  call,                 send,                                                          \
        destroy}

#ifdef __cplusplus
}
#endif
#endif
