/* Which detections overlap which instances of their image and class by at least one half, and by how much. */

#include "run_lengths.h"

#include <string.h>

static const double LEAST_OVERLAP = 0.5;

/* The ground truth: images and instances, sorted by their keys (image * classes + class). */
typedef struct {
    int64_t num_classes, num_instances;
    const int64_t *key;
    const uint8_t *crowd;
    const double *box;        /* [instances, 4]: x, y, width, height */
    const int64_t *height, *width; /* of each image */
    const uint8_t *text;      /* compressed masks end to end */
    const int64_t *offset;    /* where each of them begins, and the end */
    const int64_t *place;     /* which of them each instance has */
} Truth;

/* What is found; rows are pairs, in the order of detections, then instances. */
typedef struct {
    int64_t room, used;
    int64_t *detection, *instance;
    double *overlap;
} Pairs;

enum { UNSOUND = -1, NO_ROOM = -2, NO_MEMORY = -3 };

static inline int64_t first_from(const Truth *truth, int64_t key) {
    int64_t low = 0, high = truth->num_instances;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (truth->key[middle] < key) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Keep a pair whose overlap matters; 0 where there is no room. */
static inline int keep(Pairs *pairs, int64_t detection, int64_t instance, double shared, double united) {
    double overlap = shared / united;
    if (!(shared > 0) || !(overlap >= LEAST_OVERLAP)) return 1;
    if (pairs->used == pairs->room) return 0;
    pairs->detection[pairs->used] = detection;
    pairs->instance[pairs->used] = instance;
    pairs->overlap[pairs->used++] = overlap;
    return 1;
}

static inline double smaller(double a, double b) { return a < b ? a : b; }
static inline double larger(double a, double b) { return a > b ? a : b; }

/* Source: pycocotools' `bbIou`, operation by operation. Boxes are x, y, width, height. */
int64_t overlapping_boxes(int64_t num, const int64_t *key, const double *boxes, const Truth *truth, Pairs *pairs) {
    int64_t first = 0;
    pairs->used = 0;
    for (int64_t row = 0; row < num; row++) {
        const double *mine = boxes + 4 * row;
        if (row == 0 || key[row] != key[row - 1]) first = first_from(truth, key[row]);
        for (int64_t other = first; other < truth->num_instances && truth->key[other] == key[row]; other++) {
            const double *theirs = truth->box + 4 * other;
            double wide = smaller(mine[2] + mine[0], theirs[2] + theirs[0]) - larger(mine[0], theirs[0]);
            double high = smaller(mine[3] + mine[1], theirs[3] + theirs[1]) - larger(mine[1], theirs[1]);
            if (wide <= 0 || high <= 0) continue;
            double shared = wide * high, area = mine[2] * mine[3];
            double united = truth->crowd[other] ? area : area + theirs[2] * theirs[3] - shared;
            if (!keep(pairs, row, other, shared, united)) return NO_ROOM;
        }
    }
    return pairs->used;
}

/* The masks of one image's instances, decoded when they are first asked for. */
typedef struct {
    int64_t image, first, end; /* instances */
    int64_t room;
    Mask *mask;                /* `first` is -1 where it is not decoded */
    Runs runs;
} ImageMasks;

static int turn_to(ImageMasks *masks, const Truth *truth, int64_t image) {
    masks->image = image;
    masks->first = first_from(truth, image * truth->num_classes);
    masks->end = first_from(truth, (image + 1) * truth->num_classes);
    masks->runs.used = 0;
    int64_t num = masks->end - masks->first;
    if (num > masks->room) {
        Mask *moved = realloc(masks->mask, (size_t)num * sizeof(Mask));
        if (!moved) return 0;
        masks->mask = moved;
        masks->room = num;
    }
    for (int64_t k = 0; k < num; k++) masks->mask[k].first = -1;
    return 1;
}

static int decode_instance(ImageMasks *masks, const Truth *truth, int64_t instance) {
    int64_t place = truth->place[instance], start = truth->offset[place], length = truth->offset[place + 1] - start;
    int64_t height = truth->height[masks->image], pixels = height * truth->width[masks->image];
    if (!make_room(&masks->runs, length)) return NO_MEMORY;
    Mask *mask = masks->mask + (instance - masks->first);
    return decode(truth->text + start, length, pixels, height, &masks->runs, mask) ? 1 : UNSOUND;
}

/* Count the pixels that two masks share: both go down the columns in step. */
static int64_t shared_pixels(const Run *mine, const Run *my_end, const Run *theirs, const Run *their_end) {
    int64_t shared = 0;
    while (mine < my_end && theirs < their_end) {
        int32_t start = mine->start > theirs->start ? mine->start : theirs->start;
        int32_t stop = mine->stop < theirs->stop ? mine->stop : theirs->stop;
        if (stop > start) shared += stop - start;
        int mine_first = mine->stop <= theirs->stop;
        theirs += mine->stop >= theirs->stop;
        mine += mine_first;
    }
    return shared;
}

/* Return the most pixels that two masks can share, by their boxes and areas. */
static int64_t most_shared(const Mask *mine, const Mask *theirs) {
    int64_t left = mine->left > theirs->left ? mine->left : theirs->left;
    int64_t right = mine->right < theirs->right ? mine->right : theirs->right;
    int64_t top = mine->top > theirs->top ? mine->top : theirs->top;
    int64_t bottom = mine->bottom < theirs->bottom ? mine->bottom : theirs->bottom;
    if (right <= left || bottom <= top) return 0;
    int64_t most = (right - left) * (bottom - top);
    if (most > mine->area) most = mine->area;
    return most > theirs->area ? theirs->area : most;
}

static int64_t measure(int64_t num, const int64_t *image, const int64_t *key, const uint8_t *text, const int64_t *offset,
                       const Truth *truth, double *area, Pairs *pairs, ImageMasks *theirs, Runs *runs) {
    for (int64_t row = 0; row < num; row++) {
        int64_t length = offset[row + 1] - offset[row], height = truth->height[image[row]];
        Mask mask;
        runs->used = 0;
        if (!make_room(runs, length)) return NO_MEMORY;
        if (!decode(text + offset[row], length, height * truth->width[image[row]], height, runs, &mask)) return UNSOUND;
        area[row] = (double)mask.area;
        if (theirs->image != image[row] && !turn_to(theirs, truth, image[row])) return NO_MEMORY;
        for (int64_t other = theirs->first; other < theirs->end; other++) {
            if (truth->key[other] < key[row]) continue;
            if (truth->key[other] > key[row]) break;
            int64_t slot = other - theirs->first;
            if (theirs->mask[slot].first < 0) {
                int decoded = decode_instance(theirs, truth, other);
                if (decoded < 0) return decoded;
            }
            const Mask *one = theirs->mask + slot;
            int64_t most = most_shared(&mask, one);
            int64_t least = truth->crowd[other] ? mask.area : mask.area + one->area - most;
            if (most == 0 || (double)most < LEAST_OVERLAP * (double)least) continue;
            int64_t shared = shared_pixels(runs->of, runs->of + runs->used, theirs->runs.of + one->first,
                                           theirs->runs.of + one->end);
            int64_t united = truth->crowd[other] ? mask.area : mask.area + one->area - shared;
            if (!keep(pairs, row, other, (double)shared, (double)united)) return NO_ROOM;
        }
    }
    return pairs->used;
}

/* Decode detections' masks, which lie end to end, fill in their areas, and find their pairs.
 *
 * Returns the number of pairs, or a negative number where a mask is no sound one of its image's size, or room is lacking. */
int64_t overlapping_masks(int64_t num, const int64_t *image, const int64_t *key, const uint8_t *text, const int64_t *offset,
                          const Truth *truth, double *area, Pairs *pairs) {
    ImageMasks theirs = {.image = -1};
    Runs runs = {0};
    pairs->used = 0;
    int64_t found = measure(num, image, key, text, offset, truth, area, pairs, &theirs, &runs);
    free(theirs.mask);
    free(theirs.runs.of);
    free(runs.of);
    return found;
}
