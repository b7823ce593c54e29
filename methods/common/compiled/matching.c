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

/* A detection on its way into order. */
typedef struct {
    uint64_t sort_key;
    int64_t detection;
} Entry;

enum { DIGITS = 256, NUM_DIGITS = 8, FEW = 48 }; /* FEW: below, insertion is faster than counting digits */

static void insert_in_order(Entry *entries, int64_t num) {
    for (int64_t k = 1; k < num; k++) {
        Entry moved = entries[k];
        int64_t place = k;
        for (; place > 0 && moved.sort_key < entries[place - 1].sort_key; place--) entries[place] = entries[place - 1];
        entries[place] = moved;
    }
}

/* Sort by rising keys, digit after digit; equal ones stay as they come. `spare` has as much room. */
static void sort_entries(Entry *entries, Entry *spare, int64_t num) {
    int64_t count[NUM_DIGITS][DIGITS], risen = 1;
    while (risen < num && entries[risen - 1].sort_key <= entries[risen].sort_key) risen++;
    if (risen >= num) return; /* as the images of most files are */
    if (num < FEW) {
        insert_in_order(entries, num);
        return;
    }
    memset(count, 0, sizeof count);
    for (int64_t k = 0; k < num; k++)
        for (int digit = 0; digit < NUM_DIGITS; digit++) count[digit][(entries[k].sort_key >> (8 * digit)) & (DIGITS - 1)]++;
    Entry *from = entries, *to = spare;
    for (int digit = 0; digit < NUM_DIGITS; digit++) {
        int64_t *place = count[digit], before = 0;
        int shift = 8 * digit;
        if (place[(from[0].sort_key >> shift) & (DIGITS - 1)] == num) continue; /* all are equal */
        for (int value = 0; value < DIGITS; value++) {
            int64_t here = place[value];
            place[value] = before;
            before += here;
        }
        for (int64_t k = 0; k < num; k++) to[place[(from[k].sort_key >> shift) & (DIGITS - 1)]++] = from[k];
        Entry *swapped = from;
        from = to;
        to = swapped;
    }
    if (from != entries) memcpy(entries, from, (size_t)num * sizeof *entries);
}

/* Return a whole number that falls as a finite score rises. */
static uint64_t falling(double score) {
    score += 0.0; /* one zero, not two */
    uint64_t bits;
    memcpy(&bits, &score, 8);
    return bits >> 63 ? bits : ~bits & ~(UINT64_C(1) << 63);
}

/* Gather the detections of these classes, where they are known, class after class in file order; `first` gets the first of each
 * class, and the end. There is room for all detections twice. */
static void gather(const Detections *found, const Rules *rules, Classes classes, int64_t *first, int64_t *gathered, int64_t *spare) {
    int64_t num = 0, num_classes = classes.end - classes.first;
    for (int64_t k = 0; k < found->num; k++) {
        if (found->class[k] < classes.first || found->class[k] >= classes.end) continue;
        int64_t key = found->image[k] * rules->num_classes + found->class[k];
        if (rules->known && !is_among(rules->known, rules->num_known, key)) continue;
        spare[num++] = k;
        first[found->class[k] - classes.first + 1]++;
    }
    for (int64_t k = 0; k < num_classes; k++) first[k + 1] += first[k];
    for (int64_t k = num - 1; k >= 0; k--) gathered[--first[found->class[spare[k]] - classes.first + 1]] = spare[k];
    for (int64_t k = 0; k < num_classes; k++) first[k] = first[k + 1];
    first[num_classes] = num;
}

/* What matching needs of a detection, side by side: those of one class are looked up in the order of their scores. */
typedef struct {
    int64_t outside, first_pair;
    int32_t image, num_pairs;
} Row;

/* Put the detections of one class into order, by falling score, those of equal scores by image, then as they come. An entry's
 * `detection` is then a place among `rows`. */
static void sort_class(const Detections *found, const int64_t *gathered, const int64_t *first_pair, Row *rows, Entry *entries,
                       Entry *spare, int64_t num) {
    for (int64_t k = 0; k < num; k++) {
        int64_t one = gathered[k], first = first_pair[one];
        rows[k] = (Row){found->outside[one], first, found->image[one], (int32_t)(first_pair[one + 1] - first)};
        entries[k] = (Entry){(uint64_t)found->image[one], k};
    }
    sort_entries(entries, spare, num);
    for (int64_t k = 0; k < num; k++) entries[k].sort_key = falling(found->score[gathered[entries[k].detection]]);
    sort_entries(entries, spare, num);
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
    int64_t *first, *gathered, *spare; /* detections by class */
    int64_t *first_pair, *free_cases;
    int32_t *rank;                     /* of the next detection of each image */
    Choice *choices;
    Row *rows;
    Entry *entries, *spare_entries;
} Memory;

/* Match the detections of one class, which are in order; return the next free row. */
static int64_t match_class(const Detections *found, const Rules *rules, const Outcome *out, const Memory *memory, int32_t class,
                           int64_t num, int64_t row) {
    const int64_t all = (INT64_C(1) << (rules->num_thresholds * rules->num_ranges)) - 1;
    for (int64_t k = 0; k < num; k++) {
        const Row *one = memory->rows + memory->entries[k].detection;
        int32_t image = one->image, rank = memory->rank[image]++;
        if (rules->limit >= 0 && rank >= rules->limit) continue;
        int64_t num_choices = one->num_pairs;
        for (int64_t j = 0; j < num_choices; j++)
            memory->choices[j] = (Choice){found->overlap[one->first_pair + j], found->instance[one->first_pair + j]};
        sort_choices(memory->choices, num_choices);
        int64_t matched = 0, to_ignored = 0, outside = one->outside;
        choose(memory->choices, num_choices, rules, memory->free_cases, &matched, &to_ignored);
        if (rules->open && is_among(rules->open, rules->num_open, image * rules->num_classes + class)) outside = all;
        out->class[row] = class;
        out->image[row] = image;
        out->rank[row] = rank;
        out->right[row] = matched & ~to_ignored;
        out->wrong[row++] = ~(matched | outside) & all;
    }
    for (int64_t k = 0; k < num; k++) memory->rank[memory->rows[k].image] = 0;
    return row;
}

/* Find the first pair of each detection, and the end; return how many pairs the one with the most has. */
static int64_t find_pairs(const Detections *found, int64_t *first) {
    int64_t most = 0;
    for (int64_t k = 0; k < found->num_pairs; k++) first[found->detection[k] + 1]++;
    for (int64_t k = 0; k < found->num; k++) {
        if (first[k + 1] > most) most = first[k + 1];
        first[k + 1] += first[k];
    }
    return most;
}

/* Match the detections of some classes; return the number of rows, or -1 where memory is lacking. There is room for all of them. */
int64_t match_detections(const Detections *found, const Rules *rules, int32_t first_class, int32_t end_class, const Outcome *out) {
    Classes classes = {first_class, end_class};
    size_t num = (size_t)found->num + 1, num_classes = (size_t)(end_class - first_class);
    int64_t most = 0, rows = -1;
    Memory memory = {calloc(num_classes + 1, 8), malloc(num * 8), malloc(num * 8), calloc(num + 1, 8),
                     malloc((size_t)rules->num_instances * 8 + 8), calloc((size_t)rules->num_images + 1, 4), NULL, NULL, NULL, NULL};
    if (memory.first && memory.gathered && memory.spare && memory.first_pair) {
        gather(found, rules, classes, memory.first, memory.gathered, memory.spare);
        for (size_t k = 0; k < num_classes; k++)
            if (memory.first[k + 1] - memory.first[k] > most) most = memory.first[k + 1] - memory.first[k];
        memory.rows = malloc((size_t)(most + 1) * sizeof(Row));
        memory.entries = malloc((size_t)(most + 1) * sizeof(Entry));
        memory.spare_entries = malloc((size_t)(most + 1) * sizeof(Entry));
        memory.choices = malloc((size_t)(find_pairs(found, memory.first_pair) + 1) * sizeof(Choice));
    }
    if (memory.free_cases && memory.rank && memory.rows && memory.entries && memory.spare_entries && memory.choices) {
        rows = 0;
        for (int64_t k = 0; k < rules->num_instances; k++) memory.free_cases[k] = -1;
        for (size_t k = 0; k < num_classes; k++) {
            int64_t here = memory.first[k + 1] - memory.first[k];
            sort_class(found, memory.gathered + memory.first[k], memory.first_pair, memory.rows, memory.entries, memory.spare_entries,
                       here);
            rows = match_class(found, rules, out, &memory, first_class + (int32_t)k, here, rows);
        }
    }
    free(memory.first);
    free(memory.gathered);
    free(memory.spare);
    free(memory.first_pair);
    free(memory.free_cases);
    free(memory.rank);
    free(memory.choices);
    free(memory.rows);
    free(memory.entries);
    free(memory.spare_entries);
    return rows;
}
