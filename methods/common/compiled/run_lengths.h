/* Run-length masks in COCO's text: numbers of five bits a character, lowest first, from the fourth run on the difference to
 * the run two places earlier (pycocotools' `rleFrString`); background first, column by column. */
#ifndef RUN_LENGTHS_H
#define RUN_LENGTHS_H

#include <stdint.h>
#include <stdlib.h>

/* One stretch of foreground pixels: from `start` to before `stop`. */
typedef struct {
    int32_t start, stop;
} Run;

/* Runs of many masks, which grow; `of` may move. */
typedef struct {
    Run *of;
    int64_t used, room;
} Runs;

typedef struct {
    int64_t first, end;               /* among the runs */
    int64_t area;                     /* pixels */
    int32_t left, top, right, bottom; /* its box; right and bottom lie beyond it; zeros for an empty mask */
} Mask;

static inline int make_room(Runs *runs, int64_t more) {
    if (runs->used + more <= runs->room) return 1;
    int64_t room = 2 * (runs->used + more);
    Run *moved = realloc(runs->of, (size_t)room * sizeof(Run));
    if (!moved) return 0;
    runs->of = moved;
    runs->room = room;
    return 1;
}

/* Append the runs of a mask of `pixels` pixels, 1 to 2^29; 0 where the text is none. */
static inline int decode(const uint8_t *text, int64_t length, int64_t pixels, int64_t height, Runs *runs, Mask *mask) {
    static const int MOST_DIGITS = 6;
    int64_t before = 0, last = 0, position = 0, k = 0, count = 0, column_end = height, column = 0;
    *mask = (Mask){.first = runs->used, .end = runs->used, .top = INT32_MAX};
    if (length == 0) return 0;
    Run *run = runs->of + runs->used;
    while (k < length) {
        int64_t number = 0;
        unsigned code = 32;
        int digits = 0;
        while (code & 32) {
            if (k == length || digits == MOST_DIGITS) return 0;
            code = (unsigned)text[k++] - 48;
            if (code > 63) return 0;
            number |= (int64_t)(code & 31) << (5 * digits++);
        }
        if (code & 16) number -= (int64_t)1 << (5 * digits);
        if (count > 2) number += before;
        if (number < 0 || position + number > pixels) return 0;
        if ((count & 1) && number > 0) {
            int64_t stop = position + number;
            while (column_end <= position) column_end += height, column++;
            int32_t top = (int32_t)(position + height - column_end), bottom = (int32_t)(stop + height - column_end);
            if (mask->first == mask->end) mask->left = (int32_t)column;
            if (bottom > height) top = 0, bottom = (int32_t)height;
            if (top < mask->top) mask->top = top;
            if (bottom > mask->bottom) mask->bottom = bottom;
            while (column_end < stop) column_end += height, column++;
            mask->right = (int32_t)column + 1;
            mask->area += number;
            mask->end++;
            *run++ = (Run){(int32_t)position, (int32_t)stop};
        }
        position += number;
        before = last;
        last = number;
        count++;
    }
    if (mask->first == mask->end) mask->top = 0;
    runs->used = mask->end;
    return position == pixels;
}

#endif
