/* Draws outlines as run-length masks, pixel for pixel as pycocotools' `rleFrPoly` does.
 *
 * Its rule: vertices go onto a grid five times as fine, edges become chains of grid points, and where a chain steps from column
 * 5c + 2 to 5c + 3 of the grid, or back, the outline crosses the middle of the image's column c, at the smaller row of both points.
 * Between every other two crossings, taken down the columns, lies the inside. Only these steps are looked for here. */

#include "run_lengths.h"

#include <math.h>
#include <string.h>

enum { NO_ROOM = -2, NO_MEMORY = -3 };

static const double SCALE = 5;

/* Crossings of one outline, and what sorting them needs. */
typedef struct {
    int64_t used, room;
    int32_t *column, *row;
    int64_t num_columns;
    int64_t *first;    /* of each column, [columns + 1] */
    int32_t *sorted;   /* rows, column after column */
    int64_t sorted_room;
} Crossings;

static int add(Crossings *crossings, int64_t column, int64_t fine_row, int64_t height) {
    if (crossings->used == crossings->room) {
        int64_t room = 2 * crossings->room + 256;
        int32_t *columns = realloc(crossings->column, (size_t)room * 4);
        if (columns) crossings->column = columns;
        int32_t *rows = realloc(crossings->row, (size_t)room * 4);
        if (rows) crossings->row = rows;
        if (!columns || !rows) return 0;
        crossings->room = room;
    }
    double row = ((double)fine_row + .5) / SCALE - .5;
    row = row < 0 ? 0 : row > (double)height ? (double)height : row;
    crossings->column[crossings->used] = (int32_t)column;
    crossings->row[crossings->used++] = (int32_t)ceil(row);
    return 1;
}

/* Return a quotient by 5, rounded down. */
static inline int64_t fifth(int64_t number) { return number >= 0 ? number / 5 : -((4 - number) / 5); }

/* Add the crossings of an edge that goes further across than down: from (x, y), `across` to the right. */
static int cross_flat(Crossings *crossings, int64_t x, int64_t y, int64_t across, double slope, int64_t width, int64_t height) {
    int64_t first = fifth(x + 2), last = fifth(x + across - 3);
    if (first < 0) first = 0;
    if (last > width - 1) last = width - 1;
    for (int64_t column = first; column <= last; column++) {
        int64_t step = 5 * column + 2 - x;
        int64_t before = (int64_t)((double)y + slope * (double)step + .5);
        int64_t after = (int64_t)((double)y + slope * (double)(step + 1) + .5);
        if (!add(crossings, column, before < after ? before : after, height)) return 0;
    }
    return 1;
}

static inline int64_t fine_column(int64_t x, double slope, int64_t step) {
    return (int64_t)((double)x + slope * (double)step + .5);
}

/* Add the crossings of an edge that goes further down than across: from (x, y), `down` below. */
static int cross_steep(Crossings *crossings, int64_t x, int64_t y, int64_t down, double slope, int64_t width, int64_t height) {
    int64_t one = fine_column(x, slope, 0), other = fine_column(x, slope, down);
    int rising = other > one;
    int64_t first = fifth((rising ? one : other) + 2), last = fifth((rising ? other : one) - 3);
    if (first < 0) first = 0;
    if (last > width - 1) last = width - 1;
    for (int64_t column = first; column <= last; column++) {
        /* The first step on the other side of the middle: near where the exact line passes it. */
        int64_t middle = 5 * column + 2;
        double guess = ((double)middle + .5 - (double)x) / slope;
        int64_t step = guess < 1 ? 1 : guess > (double)down ? down : (int64_t)guess;
        while (step > 1 && (fine_column(x, slope, step - 1) > middle) == rising) step--;
        while (step < down && (fine_column(x, slope, step) > middle) != rising) step++;
        if (!add(crossings, column, y + step - 1, height)) return 0;
    }
    return 1;
}

static int cross_edge(Crossings *crossings, int64_t x, int64_t y, int64_t to_x, int64_t to_y, int64_t width, int64_t height) {
    int64_t across = to_x > x ? to_x - x : x - to_x, down = to_y > y ? to_y - y : y - to_y;
    if (across == 0) return 1;
    int flat = across >= down;
    if (flat ? x > to_x : y > to_y) {
        int64_t swapped = x;
        x = to_x, to_x = swapped;
        swapped = y;
        y = to_y, to_y = swapped;
    }
    if (flat) return cross_flat(crossings, x, y, across, (double)(to_y - y) / (double)across, width, height);
    return cross_steep(crossings, x, y, down, (double)(to_x - x) / (double)down, width, height);
}

static inline int64_t fine(double coordinate) { return (int64_t)(SCALE * coordinate + .5); }

static int cross_outline(Crossings *crossings, const double *points, int64_t num_points, int64_t width, int64_t height) {
    crossings->used = 0;
    for (int64_t k = 0; k < num_points; k++) {
        const double *from = points + 2 * k, *to = points + 2 * (k + 1 < num_points ? k + 1 : 0);
        if (!cross_edge(crossings, fine(from[0]), fine(from[1]), fine(to[0]), fine(to[1]), width, height)) return 0;
    }
    return 1;
}

static int compare(const void *one, const void *other) {
    int32_t a = *(const int32_t *)one, b = *(const int32_t *)other;
    return (a > b) - (a < b);
}

/* Put rows in order: one by one, as mostly there are two. */
static void order(int32_t *row, int64_t num) {
    if (num > 32) {
        qsort(row, (size_t)num, sizeof *row, compare);
        return;
    }
    for (int64_t k = 1; k < num; k++) {
        int32_t moved = row[k];
        int64_t place = k;
        for (; place > 0 && row[place - 1] > moved; place--) row[place] = row[place - 1];
        row[place] = moved;
    }
}

/* Sort crossings by column, then row. */
static int sort(Crossings *crossings, int64_t width) {
    if (width > crossings->num_columns) {
        int64_t *first = realloc(crossings->first, (size_t)(width + 1) * 8);
        if (!first) return 0;
        crossings->first = first;
        crossings->num_columns = width;
    }
    if (crossings->used > crossings->sorted_room) {
        int32_t *sorted = realloc(crossings->sorted, (size_t)crossings->room * 4);
        if (!sorted) return 0;
        crossings->sorted = sorted;
        crossings->sorted_room = crossings->room;
    }
    int64_t *first = crossings->first, left = width, right = -1;
    for (int64_t k = 0; k < crossings->used; k++) {
        int64_t column = crossings->column[k];
        if (column < left) left = column;
        if (column > right) right = column;
    }
    if (right < 0) return 1;
    memset(first + left, 0, (size_t)(right - left + 2) * 8);
    for (int64_t k = 0; k < crossings->used; k++) first[crossings->column[k]]++;
    int64_t before = 0;
    for (int64_t column = left; column <= right; column++) {
        int64_t num = first[column];
        first[column] = before;
        before += num;
    }
    for (int64_t k = 0; k < crossings->used; k++) { /* `first` becomes where the next row of its column goes */
        int64_t column = crossings->column[k], place = first[column]++;
        crossings->sorted[place] = crossings->row[k];
    }
    int64_t start = 0;
    for (int64_t column = left; column <= right; column++) {
        int64_t stop = first[column];
        order(crossings->sorted + start, stop - start);
        for (; start < stop; start++) crossings->column[start] = (int32_t)column;
    }
    return 1;
}

/* Append the runs between every other two crossings; those that touch become one. An odd one at the end reaches to the last pixel. */
static int fill(const Crossings *crossings, int64_t height, int64_t pixels, Runs *runs) {
    int64_t begin = runs->used;
    if (!make_room(runs, crossings->used / 2 + 1)) return 0;
    for (int64_t k = 0; k < crossings->used; k += 2) {
        int64_t start = crossings->column[k] * height + crossings->sorted[k], stop = pixels;
        if (k + 1 < crossings->used) stop = crossings->column[k + 1] * height + crossings->sorted[k + 1];
        if (stop == start) continue;
        if (runs->used > begin && runs->of[runs->used - 1].stop == start) runs->of[runs->used - 1].stop = (int32_t)stop;
        else runs->of[runs->used++] = (Run){(int32_t)start, (int32_t)stop};
    }
    return 1;
}

/* Append the union of two masks' runs. */
static int unite(const Runs *one, const Runs *other, Runs *both) {
    const Run *a = one->of, *b = other->of, *a_end = a + one->used, *b_end = b + other->used;
    both->used = 0;
    if (!make_room(both, one->used + other->used)) return 0;
    while (a < a_end || b < b_end) {
        Run next = b == b_end || (a < a_end && a->start <= b->start) ? *a++ : *b++;
        Run *last = both->of + both->used - 1;
        if (both->used && next.start <= last->stop) {
            if (next.stop > last->stop) last->stop = next.stop;
        } else {
            both->of[both->used++] = next;
        }
    }
    return 1;
}

static uint8_t *spell(uint8_t *text, int64_t number) {
    int more = 1;
    while (more) {
        int64_t digit = number & 31;
        number >>= 5;
        more = digit & 16 ? number != -1 : number != 0;
        *text++ = (uint8_t)(48 + digit + (more ? 32 : 0));
    }
    return text;
}

/* Write a mask's text; return its length. There is room for six characters a run and gap, and one gap more. */
static int64_t encode(const Runs *runs, int64_t pixels, uint8_t *text) {
    uint8_t *at = text;
    int64_t position = 0, earlier[2] = {0, 0}, count = 0;
    for (int64_t k = 0; k <= runs->used; k++) {
        int64_t ends[2] = {pixels, pixels};
        if (k < runs->used) ends[0] = runs->of[k].start, ends[1] = runs->of[k].stop;
        for (int side = 0; side < 2 && (k < runs->used || (side == 0 && position < pixels)); side++, count++) {
            int64_t number = ends[side] - position;
            at = spell(at, count > 2 ? number - earlier[count % 2] : number);
            earlier[count % 2] = number;
            position = ends[side];
        }
    }
    return at - text;
}

typedef struct {
    Crossings crossings;
    Runs drawn, so_far, united;
} Drawing;

/* Draw a mask's outlines; the union of them all is then in `so_far`. */
static int draw(Drawing *drawing, int64_t num, const double *number, const int64_t *end, int64_t height, int64_t width) {
    Crossings *crossings = &drawing->crossings;
    drawing->so_far.used = 0;
    for (int64_t k = 0; k < num; k++) {
        drawing->drawn.used = 0;
        if (!cross_outline(crossings, number + end[k], (end[k + 1] - end[k]) / 2, width, height)) return 0;
        if (!sort(crossings, width) || !fill(crossings, height, height * width, &drawing->drawn)) return 0;
        if (k > 0 && !unite(&drawing->so_far, &drawing->drawn, &drawing->united)) return 0;
        Runs kept = drawing->so_far;
        drawing->so_far = k > 0 ? drawing->united : drawing->drawn;
        if (k > 0) drawing->united = kept;
        else drawing->drawn = kept;
    }
    return 1;
}

static double count_pixels(const Runs *runs) {
    int64_t sum = 0;
    for (int64_t k = 0; k < runs->used; k++) sum += runs->of[k].stop - runs->of[k].start;
    return (double)sum;
}

/* Draw masks of fewer than 2^29 pixels: the union of the first `num_outlines[0]` outlines, of the next `num_outlines[1]` ones, ...
 *
 * Fills in their texts, end to end, where each begins, and the end, and how many pixels they have. Returns the length of all texts, or a
 * negative number where there is no room. */
int64_t draw_masks(int64_t num, const int64_t *num_outlines, const double *number, const int64_t *end, const int64_t *height,
                   const int64_t *width, uint8_t *text, int64_t room, int64_t *offset, double *area) {
    Drawing drawing = {0};
    int64_t first = 0, used = 0;
    offset[0] = 0;
    for (int64_t row = 0; row < num && used >= 0; row++) {
        if (!draw(&drawing, num_outlines[row], number, end + first, height[row], width[row])) {
            used = NO_MEMORY;
        } else if (used + 12 * drawing.so_far.used + 6 > room) {
            used = NO_ROOM;
        } else {
            area[row] = count_pixels(&drawing.so_far);
            used += encode(&drawing.so_far, height[row] * width[row], text + used);
            first += num_outlines[row];
            offset[row + 1] = used;
        }
    }
    free(drawing.crossings.column);
    free(drawing.crossings.row);
    free(drawing.crossings.first);
    free(drawing.crossings.sorted);
    free(drawing.drawn.of);
    free(drawing.so_far.of);
    free(drawing.united.of);
    return used;
}
