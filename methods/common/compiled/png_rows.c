/* Undoes the filters of a PNG's rows; the rule stands in the PNG specification, on filtering. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline uint8_t nearest(int left, int above, int corner) {
    int from_left = abs(above - corner), from_above = abs(left - corner), from_corner = abs(left + above - 2 * corner);
    int best = from_above <= from_corner ? above : corner, best_distance = from_above <= from_corner ? from_above : from_corner;
    return (uint8_t)(from_left <= best_distance ? left : best);
}

/* Undo one row. `step` is the number of bytes of a pixel, a constant wherever this is inlined. Left of the first pixel all is 0. */
static inline void undo_row(int filter, const uint8_t *restrict in, const uint8_t *above, int64_t num, int64_t step, uint8_t *row) {
    uint8_t left[8] = {0}, corner[8] = {0};
    switch (filter) {
    case 1:
        for (int64_t x = 0; x < num; x += step)
            for (int64_t k = 0; k < step; k++) row[x + k] = left[k] = (uint8_t)(in[x + k] + left[k]);
        break;
    case 2:
        for (int64_t x = 0; x < num; x++) row[x] = (uint8_t)(in[x] + above[x]);
        break;
    case 3:
        for (int64_t x = 0; x < num; x += step)
            for (int64_t k = 0; k < step; k++) row[x + k] = left[k] = (uint8_t)(in[x + k] + (left[k] + above[x + k]) / 2);
        break;
    case 4:
        for (int64_t x = 0; x < num; x += step)
            for (int64_t k = 0; k < step; k++) {
                row[x + k] = left[k] = (uint8_t)(in[x + k] + nearest(left[k], above[x + k], corner[k]));
                corner[k] = above[x + k];
            }
        break;
    default:
        memcpy(row, in, (size_t)num);
    }
}

/* Undo the filters of all rows, each a byte that names its filter and `num` bytes, of pixels of `step` bytes, 1 to 3. Returns 0, -1
 * where a filter has no meaning, -2 where memory is lacking. */
int64_t undo_filters(const uint8_t *filtered, int64_t height, int64_t num, int64_t step, uint8_t *pixels) {
    uint8_t *nothing = calloc((size_t)num + 1, 1);
    const uint8_t *above = nothing;
    int64_t answer = nothing ? 0 : -2;
    for (int64_t y = 0; answer == 0 && y < height; y++) {
        const uint8_t *in = filtered + y * (num + 1);
        uint8_t *row = pixels + y * num;
        if (in[0] > 4) answer = -1;
        else if (step == 1) undo_row(in[0], in + 1, above, num, 1, row);
        else if (step == 2) undo_row(in[0], in + 1, above, num, 2, row);
        else undo_row(in[0], in + 1, above, num, 3, row);
        above = row;
    }
    free(nothing);
    return answer;
}
