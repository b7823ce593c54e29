/* Precision and recall from matches; the rule stands in `precision_recall.py`. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* Matches, by class, then falling score. */
typedef struct {
    const int64_t *right, *wrong; /* cases in which a detection is right, and wrong */
    const int32_t *image;
    const double *weight;         /* how often each image counts, or NULL for once */
    const int64_t *first;         /* detection of each class, and the end */
} Matches;

typedef struct {
    int64_t num_thresholds, num_ranges, num_recalls, num_classes;
    const double *recalls;
    const int64_t *class;         /* those to be filled in */
    const double *num_instances;  /* [ranges, classes]: how many count */
    double *precision;            /* [ranges, thresholds, recalls, classes] */
    double *recall;               /* [ranges, thresholds, classes] */
} Table;

/* Return the least whole number of hits, at least 1, whose share of the instances reaches a recall. */
static double needed_hits(double recall, double num_instances) {
    double needed = floor(recall * num_instances) - 1;
    if (needed < 0) needed = 0;
    for (int k = 0; k < 3; k++) /* division rounds, so the share itself is compared, as the official tools do */
        needed += needed / num_instances < recall;
    return needed < 1 ? 1 : needed;
}

/* What the detections of a class come to in the cases of one area range. */
typedef struct {
    int64_t room;               /* hits that there can be in a case */
    int64_t *num;               /* of each threshold */
    double *right, *wrong;      /* of each threshold, so far */
    double *hits, *precision;   /* [thresholds, room], at each hit */
    double *needed;             /* hits that each recall needs */
} Counts;

static void count_hit(const Counts *counts, int64_t threshold, double times, double wrong) {
    if (times == 0) return;
    int64_t place = threshold * counts->room + counts->num[threshold]++;
    double right = counts->right[threshold] += times;
    counts->hits[place] = right;
    counts->precision[place] = right / (wrong + right + 0x1p-52);
}

/* Go through the detections of a class; keep hits and precision at each hit, of all thresholds. */
static void count_range(const Matches *found, int64_t start, int64_t stop, int64_t range, int64_t num_thresholds, const Counts *counts) {
    const int64_t all = (INT64_C(1) << num_thresholds) - 1;
    const int shift = (int)(range * num_thresholds);
    double wrong_in_all = 0; /* most detections are wrong at all thresholds */
    for (int64_t threshold = 0; threshold < num_thresholds; threshold++)
        counts->num[threshold] = 0, counts->right[threshold] = counts->wrong[threshold] = 0;
    for (int64_t k = start; k < stop; k++) {
        int64_t right = (found->right[k] >> shift) & all, wrong = (found->wrong[k] >> shift) & all;
        double times = found->weight ? found->weight[found->image[k]] : 1;
        if (wrong == all) {
            wrong_in_all += times;
            continue;
        }
        for (int64_t threshold = 0; (right | wrong) >> threshold; threshold++) {
            if ((right >> threshold) & 1)
                count_hit(counts, threshold, times, wrong_in_all + counts->wrong[threshold]);
            else if ((wrong >> threshold) & 1)
                counts->wrong[threshold] += times;
        }
    }
}

static void fill_case(const Table *table, int64_t place, int64_t range, int64_t threshold, const Counts *counts) {
    int64_t which = range * table->num_thresholds + threshold, num = counts->num[threshold], hit = 0;
    double *at = table->precision + which * table->num_recalls * table->num_classes + place;
    double *hits = counts->hits + threshold * counts->room, *precision = counts->precision + threshold * counts->room;
    for (int64_t k = num - 2; k >= 0; k--)
        if (precision[k] < precision[k + 1]) precision[k] = precision[k + 1];
    for (int64_t k = 0; k < table->num_recalls; k++) {
        while (hit < num && hits[hit] < counts->needed[k]) hit++;
        at[k * table->num_classes] = hit < num ? precision[hit] : 0;
    }
    double total = num ? hits[num - 1] : 0;
    table->recall[which * table->num_classes + place] = total / table->num_instances[range * table->num_classes + place];
}

static void fill_class(const Matches *found, const Table *table, int64_t place, const Counts *counts) {
    int64_t class = table->class[place];
    for (int64_t range = 0; range < table->num_ranges; range++) {
        double num = table->num_instances[range * table->num_classes + place];
        if (!(num > 0)) continue;
        for (int64_t k = 0; k < table->num_recalls; k++) counts->needed[k] = needed_hits(table->recalls[k], num);
        count_range(found, found->first[class], found->first[class + 1], range, table->num_thresholds, counts);
        for (int64_t threshold = 0; threshold < table->num_thresholds; threshold++)
            fill_case(table, place, range, threshold, counts);
    }
}

/* Return how many detections of the class with the most are right in any case, at least 1. */
static int64_t most_hits(const Matches *found, const Table *table, int64_t begin, int64_t end) {
    int64_t most = 1;
    for (int64_t place = begin; place < end; place++) {
        int64_t num = 0, class = table->class[place];
        for (int64_t k = found->first[class]; k < found->first[class + 1]; k++) num += found->right[k] != 0;
        if (num > most) most = num;
    }
    return most;
}

/* Fill in the columns from `begin` to before `end` where instances count; return 0 where memory is lacking. */
int64_t accumulate(const Matches *found, const Table *table, int64_t begin, int64_t end) {
    size_t thresholds = (size_t)table->num_thresholds;
    Counts counts = {most_hits(found, table, begin, end), malloc(thresholds * 8), malloc(thresholds * 8), malloc(thresholds * 8),
                     NULL, NULL, malloc((size_t)table->num_recalls * 8)};
    counts.hits = malloc(thresholds * (size_t)counts.room * 8);
    counts.precision = malloc(thresholds * (size_t)counts.room * 8);
    int64_t done = counts.num && counts.right && counts.wrong && counts.hits && counts.precision && counts.needed;
    for (int64_t place = begin; done && place < end; place++) fill_class(found, table, place, &counts);
    free(counts.num);
    free(counts.right);
    free(counts.wrong);
    free(counts.hits);
    free(counts.precision);
    free(counts.needed);
    return done;
}

/* Count the hits of the best detections of each image and class over all areas, [thresholds, classes]; starts from zeros. */
void count_best(const Matches *found, const int32_t *class, const int32_t *rank, int64_t num, int64_t limit, int64_t num_thresholds,
                int64_t num_classes, double *hits) {
    for (int64_t k = 0; k < num; k++) {
        if (rank[k] >= limit || found->right[k] == 0) continue;
        double times = found->weight ? found->weight[found->image[k]] : 1;
        for (int64_t threshold = 0; threshold < num_thresholds; threshold++)
            hits[threshold * num_classes + class[k]] += (double)((found->right[k] >> threshold) & 1) * times;
    }
}
