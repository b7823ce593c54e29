/* Marks where labels of an image meet; the rule stands in `label_maps/imagenet_s.py`, whose OpenCV way this equals. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Mark blocks of 2 x 2 pixels that hold several labels or reach over the image's edge, [height + 1, width + 1]. */
static void mark_blocks(const uint16_t *restrict label, int64_t height, int64_t width, uint8_t *restrict mark) {
    memset(mark, 1, (size_t)((height + 1) * (width + 1)));
    for (int64_t y = 1; y < height; y++) {
        const uint16_t *above = label + (y - 1) * width, *below = label + y * width;
        uint8_t *row = mark + y * (width + 1);
        for (int64_t x = 1; x < width; x++) {
            uint16_t differs = (uint16_t)((above[x] ^ above[x - 1]) | (below[x] ^ below[x - 1]) | (above[x] ^ below[x]));
            row[x] = differs != 0;
        }
    }
}

static void join(const uint8_t *restrict one, const uint8_t *restrict other, uint8_t *restrict both, int64_t num) {
    for (int64_t k = 0; k < num; k++) both[k] = one[k] | other[k];
}

/* Let each mark say whether any of the `wanted` ones from it on, `step` apart, was set; beyond the end there are none. */
static void spread(uint8_t **mark, uint8_t **spare, int64_t num, int64_t step, int64_t wanted) {
    for (int64_t length = 1; length < wanted;) {
        int64_t shift = length < wanted - length ? length : wanted - length, joined = num - shift * step;
        if (joined < 0) joined = 0;
        join(*mark, *mark + (num - joined), *spare, joined);
        memcpy(*spare + joined, *mark + joined, (size_t)(num - joined));
        uint8_t *swapped = *mark;
        *mark = *spare;
        *spare = swapped;
        length += shift;
    }
}

/* Write 2 * label + mark for one row. The blocks between the pixels within reach begin reach - 1 before a pixel's own; where some
 * of them lack, the edge is near. */
static void write_row(const uint8_t *block, int64_t y, int64_t height, int64_t width, int64_t reach, uint16_t *restrict row) {
    int64_t start = reach, stop = width - reach + 1;
    if (y < reach || y + reach > height || stop < start) start = stop = width;
    const uint8_t *restrict found = start < stop ? block + (y - reach + 1) * (width + 1) - reach + 1 : NULL;
    for (int64_t x = 0; x < start; x++) row[x] = (uint16_t)(row[x] << 1 | 1);
    for (int64_t x = start; x < stop; x++) row[x] = (uint16_t)(row[x] << 1 | found[x]);
    for (int64_t x = stop; x < width; x++) row[x] = (uint16_t)(row[x] << 1 | 1);
}

/* Write 2 * label + (whether another label or the image's edge is within `reach` rows and columns). Returns 0, -1 where a label has
 * more than 15 bits, -2 where memory is lacking. */
int64_t mark_boundaries(const uint32_t *label, int64_t height, int64_t width, int64_t reach, uint16_t *marked) {
    int64_t num = height * width, outer = width + 1, num_blocks = (height + 1) * outer;
    uint32_t all = 0;
    for (int64_t k = 0; k < num; k++) all |= label[k];
    if (all >> 15) return -1;
    for (int64_t k = 0; k < num; k++) marked[k] = (uint16_t)label[k];
    uint8_t *block = malloc((size_t)num_blocks), *spare = malloc((size_t)num_blocks);
    int64_t answer = block && spare ? 0 : -2;
    if (answer == 0) {
        mark_blocks(marked, height, width, block);
        spread(&block, &spare, num_blocks, 1, 2 * reach); /* what runs over into the next row is not looked at */
        spread(&block, &spare, num_blocks, outer, 2 * reach);
    }
    for (int64_t y = 0; answer == 0 && y < height; y++) write_row(block, y, height, width, reach, marked + y * width);
    free(block);
    free(spare);
    return answer;
}
