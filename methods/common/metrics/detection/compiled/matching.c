/* Greedy matching of detections to instances; the rule stands in `matching.py`, whose numbers these are to the last bit. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Detections, in file order, and their pairs, in the order of detections. */
typedef struct {
    int64_t num;
    const int32_t *image, *class;
    const double *score;
    const int64_t *outside;        /* cases whose area range a detection's area is not in */
    int64_t num_pairs;
    const int64_t *detection, *instance;
    const double *overlap;
} Detections;

typedef struct {
    int64_t num_images, num_classes, num_instances;
    const uint8_t *crowd;
    const int64_t *ignored;        /* cases in which an instance is to be ignored */
    const int64_t *known, *open;   /* rising keys (image * classes + class), or NULL */
    int64_t num_known, num_open;
    const double *thresholds;
    int64_t num_thresholds, num_ranges, limit; /* the limit is -1 for none */
} Rules;

/* Classes from `first` to before `end`: each thread matches some. */
typedef struct {
    int32_t first, end;
} Classes;

/* What comes out: rows by class, falling score, image. */
typedef struct {
    int32_t *class, *image, *rank;
    int64_t *right, *wrong;
} Outcome;

static int is_among(const int64_t *keys, int64_t num, int64_t key) {
    int64_t low = 0, high = num;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (keys[middle] < key) low = middle + 1;
        else high = middle;
    }
    return low < num && keys[low] == key;
}

enum { BITS = 11, DIGITS = 1 << BITS };

/* Sort by 11 bits of the sort keys; equal ones stay as they come. Returns 0 where all were equal, which changes nothing. */
static int sort_by_digit(const uint64_t *sort_key, int shift, const int64_t *from, int64_t *to, int64_t num, int64_t *count) {
    memset(count, 0, DIGITS * sizeof *count);
    for (int64_t k = 0; k < num; k++) count[(sort_key[from[k]] >> shift) & (DIGITS - 1)]++;
    if (num == 0 || count[(sort_key[from[0]] >> shift) & (DIGITS - 1)] == num) return 0;
    int64_t before = 0;
    for (int64_t digit = 0; digit < DIGITS; digit++) {
        int64_t here = count[digit];
        count[digit] = before;
        before += here;
    }
    for (int64_t k = 0; k < num; k++) to[count[(sort_key[from[k]] >> shift) & (DIGITS - 1)]++] = from[k];
    return 1;
}

static void sort_by(const uint64_t *sort_key, int64_t **order, int64_t **spare, int64_t num, int64_t *count) {
    int64_t risen = 1;
    while (risen < num && sort_key[(*order)[risen - 1]] <= sort_key[(*order)[risen]]) risen++;
    if (risen >= num) return; /* as the images of most files are */
    for (int shift = 0; shift < 64; shift += BITS)
        if (sort_by_digit(sort_key, shift, *order, *spare, num, count)) {
            int64_t *swapped = *order;
            *order = *spare;
            *spare = swapped;
        }
}

/* Return a whole number that falls as a finite score rises. */
static uint64_t falling(double score) {
    score += 0.0; /* one zero, not two */
    uint64_t bits;
    memcpy(&bits, &score, 8);
    return bits >> 63 ? bits : ~bits & ~(UINT64_C(1) << 63);
}

/* Put the detections of these classes, where they are known, into order; return their number. */
static int64_t sort_detections(const Detections *found, const Rules *rules, Classes classes, uint64_t *sort_key, int64_t **order,
                               int64_t **spare, int64_t *count) {
    int64_t num = 0;
    for (int64_t k = 0; k < found->num; k++) {
        if (found->class[k] < classes.first || found->class[k] >= classes.end) continue;
        int64_t key = found->image[k] * rules->num_classes + found->class[k];
        if (!rules->known || is_among(rules->known, rules->num_known, key)) (*order)[num++] = k;
    }
    for (int64_t k = 0; k < found->num; k++) sort_key[k] = (uint64_t)found->image[k];
    sort_by(sort_key, order, spare, num, count);
    for (int64_t k = 0; k < found->num; k++) sort_key[k] = falling(found->score[k]);
    sort_by(sort_key, order, spare, num, count);
    for (int64_t k = 0; k < found->num; k++) sort_key[k] = (uint64_t)found->class[k];
    sort_by(sort_key, order, spare, num, count);
    return num;
}

typedef struct {
    double overlap;
    int64_t instance;
} Choice;

/* The larger overlap first, of equal ones the later instance. */
static int compare_choices(const void *one, const void *other) {
    const Choice *a = one, *b = other;
    if (a->overlap != b->overlap) return a->overlap > b->overlap ? -1 : 1;
    return (a->instance < b->instance) - (a->instance > b->instance);
}

static void sort_choices(Choice *choices, int64_t num) {
    if (num > 16) {
        qsort(choices, (size_t)num, sizeof *choices, compare_choices);
        return;
    }
    for (int64_t k = 1; k < num; k++) {
        Choice moved = choices[k];
        int64_t place = k;
        for (; place > 0 && compare_choices(&moved, choices + place - 1) < 0; place--) choices[place] = choices[place - 1];
        choices[place] = moved;
    }
}

static int64_t cases_reached(double overlap, const Rules *rules) {
    int64_t reached = 0, cases = 0;
    while (reached < rules->num_thresholds && rules->thresholds[reached] <= overlap) reached++;
    for (int64_t range = 0; range < rules->num_ranges; range++)
        cases |= ((INT64_C(1) << reached) - 1) << (range * rules->num_thresholds);
    return cases;
}

/* Let one detection choose, first among instances that count, then among ignored ones, in all cases at once. */
static void choose(const Choice *choices, int64_t num, const Rules *rules, int64_t *free_cases, int64_t *matched, int64_t *to_ignored) {
    for (int way = 0; way < 2; way++)
        for (int64_t k = 0; k < num; k++) {
            int64_t instance = choices[k].instance, ignored = rules->ignored[instance];
            int64_t taken = cases_reached(choices[k].overlap, rules) & (way ? ignored : ~ignored) & free_cases[instance] & ~*matched;
            *matched |= taken;
            if (!rules->crowd[instance]) free_cases[instance] &= ~taken;
            *to_ignored |= taken & ignored;
        }
}

typedef struct {
    uint64_t *sort_key;
    int64_t *order, *spare, *count, *free_cases, *first_pair;
    int32_t *rank; /* of the next detection of each image */
    Choice *choices;
} Memory;

static int64_t match_sorted(const Detections *found, const Rules *rules, const Outcome *out, Memory *memory, int64_t num) {
    const int64_t all = (INT64_C(1) << (rules->num_thresholds * rules->num_ranges)) - 1;
    int64_t row = 0;
    for (int64_t k = 0; k < num; k++) {
        int64_t one = memory->order[k];
        int32_t image = found->image[one], class = found->class[one];
        if (k > 0 && found->class[memory->order[k - 1]] != class)
            for (int64_t j = k - 1; j >= 0 && found->class[memory->order[j]] == found->class[memory->order[k - 1]]; j--)
                memory->rank[found->image[memory->order[j]]] = 0;
        int32_t rank = memory->rank[image]++;
        if (rules->limit >= 0 && rank >= rules->limit) continue;
        int64_t first = memory->first_pair[one], num_choices = memory->first_pair[one + 1] - first;
        for (int64_t j = 0; j < num_choices; j++)
            memory->choices[j] = (Choice){found->overlap[first + j], found->instance[first + j]};
        sort_choices(memory->choices, num_choices);
        int64_t matched = 0, to_ignored = 0, outside = found->outside[one];
        choose(memory->choices, num_choices, rules, memory->free_cases, &matched, &to_ignored);
        if (rules->open && is_among(rules->open, rules->num_open, image * rules->num_classes + class)) outside = all;
        out->class[row] = class;
        out->image[row] = image;
        out->rank[row] = rank;
        out->right[row] = matched & ~to_ignored;
        out->wrong[row++] = ~(matched | outside) & all;
    }
    return row;
}

/* Match the detections of some classes; return the number of rows, or -1 where memory is lacking. There is room for all of them. */
int64_t match_detections(const Detections *found, const Rules *rules, int32_t first_class, int32_t end_class, const Outcome *out) {
    Classes classes = {first_class, end_class};
    size_t num = (size_t)found->num + 1;
    int64_t most = 0, rows = -1;
    Memory memory = {malloc(num * 8), malloc(num * 8), malloc(num * 8), malloc(DIGITS * 8),
                     malloc((size_t)rules->num_instances * 8 + 8), calloc(num + 1, 8), calloc((size_t)rules->num_images + 1, 4), NULL};
    int64_t *first = memory.first_pair;
    if (first) {
        for (int64_t k = 0; k < found->num_pairs; k++) first[found->detection[k] + 1]++;
        for (int64_t k = 0; k < found->num; k++) {
            if (first[k + 1] > most) most = first[k + 1];
            first[k + 1] += first[k];
        }
        memory.choices = malloc((size_t)(most + 1) * sizeof(Choice));
    }
    if (memory.sort_key && memory.order && memory.spare && memory.count && memory.free_cases && memory.rank && memory.choices) {
        for (int64_t k = 0; k < rules->num_instances; k++) memory.free_cases[k] = -1;
        int64_t sorted = sort_detections(found, rules, classes, memory.sort_key, &memory.order, &memory.spare, memory.count);
        rows = match_sorted(found, rules, out, &memory, sorted);
    }
    free(memory.sort_key);
    free(memory.order);
    free(memory.spare);
    free(memory.count);
    free(memory.free_cases);
    free(memory.first_pair);
    free(memory.rank);
    free(memory.choices);
    return rows;
}
