/* A strict reader of JSON text, one value after the other.
 *
 * It takes less than JSON allows (see each function) and never more: what it refuses, the caller reads again with Python's
 * `json`, which takes the rest and names the faults. No function reads beyond `end`.
 */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef struct {
    const uint8_t *at, *end;
} Text;

typedef struct {
    const uint8_t *start;
    int64_t length;
    int escaped; /* whether it holds a backslash */
} String;

static const int DEEPEST = 64; /* Lists and objects within each other. */

static inline void skip_space(Text *text) {
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\n' || *text->at == '\r' || *text->at == '\t'))
        text->at++;
}

/* Take one character if it comes next, after any space. */
static inline int take(Text *text, uint8_t character) {
    skip_space(text);
    if (text->at == text->end || *text->at != character) return 0;
    text->at++;
    return 1;
}

/* Step over one character of more than one byte, by the table of well-formed UTF-8 (Unicode, table 3-7). */
static int skip_wide(Text *text) {
    const uint8_t *at = text->at;
    int64_t left = text->end - at;
    uint8_t first = at[0], low = 0x80, high = 0xBF;
    int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    if (first < 0xC2 || first > 0xF4 || left <= more) return 0;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
    if (at[1] < low || at[1] > high) return 0;
    for (int k = 2; k <= more; k++)
        if (at[k] < 0x80 || at[k] > 0xBF) return 0;
    text->at += more + 1;
    return 1;
}

static int skip_escape(Text *text) {
    if (text->end - text->at < 2) return 0;
    uint8_t kind = text->at[1];
    if (kind == 'u') {
        if (text->end - text->at < 6) return 0;
        for (int k = 2; k < 6; k++) {
            uint8_t digit = text->at[k] | 0x20;
            if (!((text->at[k] >= '0' && text->at[k] <= '9') || (digit >= 'a' && digit <= 'f'))) return 0;
        }
        text->at += 6;
        return 1;
    }
    text->at += 2;
    return kind == '"' || kind == '\\' || kind == '/' || kind == 'b' || kind == 'f' || kind == 'n' || kind == 'r' || kind == 't';
}

/* Step over characters of ASCII but quotes, backslashes and control characters, many at a time; a few of them may be left. */
static inline void skip_plain(Text *text) {
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    while (text->end - text->at >= 16) {
        __m128i here = _mm_loadu_si128((const __m128i *)text->at);
        __m128i special = _mm_or_si128(_mm_cmpeq_epi8(here, quote), _mm_cmpeq_epi8(here, slash));
        special = _mm_or_si128(special, _mm_cmplt_epi8(here, space)); /* bytes beyond ASCII are negative */
        int places = _mm_movemask_epi8(special);
        if (places) {
            text->at += __builtin_ctz((unsigned)places);
            return;
        }
        text->at += 16;
    }
#else
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    while (text->end - text->at >= 8) {
        uint64_t eight;
        memcpy(&eight, text->at, 8);
        uint64_t quote = eight ^ (ones * '"'), slash = eight ^ (ones * '\\');
        if (((quote - ones) | (slash - ones) | (eight - ones * 0x20) | eight) & tops) return;
        text->at += 8;
    }
#endif
}

static int read_string(Text *text, String *found) {
    if (!take(text, '"')) return 0;
    found->start = text->at;
    found->escaped = 0;
    for (;;) {
        skip_plain(text);
        if (text->at == text->end) return 0;
        uint8_t character = *text->at;
        if (character == '"') break;
        if (character == '\\') {
            found->escaped = 1;
            if (!skip_escape(text)) return 0;
        } else if (character >= 0x80) {
            if (!skip_wide(text)) return 0;
        } else if (character < 0x20) {
            return 0;
        } else {
            text->at++;
        }
    }
    found->length = text->at - found->start;
    text->at++;
    return 1;
}

static inline int is_digit(const Text *text) { return text->at < text->end && *text->at >= '0' && *text->at <= '9'; }

/* Read a whole number from 0 to below 10^18, written without a point or an exponent. */
static inline int read_whole(Text *text, int64_t *value) {
    skip_space(text);
    const uint8_t *start = text->at;
    int64_t sum = 0;
    while (is_digit(text) && text->at - start < 19) sum = sum * 10 + (*text->at++ - '0');
    int64_t digits = text->at - start;
    if (digits == 0 || digits > 18 || (digits > 1 && *start == '0')) return 0;
    if (text->at < text->end && (*text->at == '.' || *text->at == 'e' || *text->at == 'E')) return 0;
    *value = sum;
    return 1;
}

/* Divide by a power of ten so that the quotient is the double next to the exact one; 0 where that is not certain.
 *
 * The quotient is rounded to 64 bits first. Rounding it again goes wrong only from exactly between two doubles. */
static inline int exact_quotient(uint64_t digits, int places, double *value) {
#if LDBL_MANT_DIG == 64
    static const long double POWERS[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
                                         1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
                                         1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
    if (places > 27) return 0;
    long double quotient = (long double)digits / POWERS[places];
    uint64_t bits;
    memcpy(&bits, &quotient, 8);
    if ((bits & 0x7FF) == 0x400) return 0;
    *value = (double)quotient;
    return 1;
#else
    static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (places > 22 || digits > (UINT64_C(1) << 53)) return 0;
    *value = (double)digits / POWERS[places];
    return 1;
#endif
}

/* Read a finite number; its value is the one that Python's `float` gives, to the last bit. Sets `value` if there is one to set. */
static inline int read_number(Text *text, double *value) {
    skip_space(text);
    const uint8_t *start = text->at;
    uint64_t digits = 0;
    int64_t num_digits = 0, places = 0;
    int negative = text->at < text->end && *text->at == '-', exponent = 0;
    text->at += negative;
    const uint8_t *first = text->at;
    while (is_digit(text)) {
        digits = digits * 10 + (uint64_t)(*text->at++ - '0');
        num_digits++;
    }
    if (num_digits == 0 || (num_digits > 1 && *first == '0')) return 0;
    if (text->at < text->end && *text->at == '.') {
        text->at++;
        const uint8_t *point = text->at;
        while (is_digit(text)) digits = digits * 10 + (uint64_t)(*text->at++ - '0');
        places = text->at - point;
        num_digits += places;
        if (places == 0) return 0;
    }
    if (text->at < text->end && (*text->at == 'e' || *text->at == 'E')) {
        exponent = 1;
        text->at++;
        if (text->at < text->end && (*text->at == '+' || *text->at == '-')) text->at++;
        if (!is_digit(text)) return 0;
        while (is_digit(text)) text->at++;
    }
    if (value == NULL) return 1;
    if (!exponent && num_digits <= 19 && exact_quotient(digits, (int)places, value)) {
        if (negative) *value = -*value;
        return 1;
    }
    char copy[400]; /* which ends, as `strtod` wants */
    int64_t length = text->at - start;
    if (length >= (int64_t)sizeof copy) return 0;
    memcpy(copy, start, (size_t)length);
    copy[length] = 0;
    char *stop;
    *value = strtod(copy, &stop);
    return stop == copy + length && isfinite(*value);
}

static int take_word(Text *text, const char *word, int64_t length) {
    if (text->end - text->at < length || memcmp(text->at, word, (size_t)length) != 0) return 0;
    text->at += length;
    return 1;
}

/* Step over any value, checking its form. `NaN` and `Infinity`, which Python takes, are refused. */
static int skip_value(Text *text, int depth) {
    String string;
    skip_space(text);
    if (text->at == text->end || depth > DEEPEST) return 0;
    switch (*text->at) {
    case '"':
        return read_string(text, &string);
    case 't':
        return take_word(text, "true", 4);
    case 'f':
        return take_word(text, "false", 5);
    case 'n':
        return take_word(text, "null", 4);
    case '[':
        text->at++;
        if (take(text, ']')) return 1;
        do
            if (!skip_value(text, depth + 1)) return 0;
        while (take(text, ','));
        return take(text, ']');
    case '{':
        text->at++;
        if (take(text, '}')) return 1;
        do
            if (!read_string(text, &string) || !take(text, ':') || !skip_value(text, depth + 1)) return 0;
        while (take(text, ','));
        return take(text, '}');
    default:
        return read_number(text, NULL);
    }
}

static inline int is_named(const String *key, const char *name) {
    size_t length = strlen(name);
    return (size_t)key->length == length && memcmp(key->start, name, length) == 0;
}

/* Go to the value of an object's next field. Returns 1, 0 at the object's end, -1 for a fault; keys with a backslash are one.
 * `first` is 1 before the first field and stays 0 after it. */
static inline int next_field(Text *text, int *first, String *key) {
    if (*first) {
        *first = 0;
        if (take(text, '}')) return 0;
    } else if (!take(text, ',')) {
        return take(text, '}') ? 0 : -1;
    }
    return read_string(text, key) && !key->escaped && take(text, ':') ? 1 : -1;
}

static inline int read_box(Text *text, double *box) {
    if (!take(text, '[')) return 0;
    for (int k = 0; k < 4; k++)
        if ((k > 0 && !take(text, ',')) || !read_number(text, box + k)) return 0;
    return take(text, ']');
}

#endif
