/* Takes all the CPU it gets and says how much that is: a line for each second of CPU work.
 *
 * WASI has no clock of CPU time, so the work is counted in rounds of about a millisecond. What a round costs undisturbed is what the
 * fastest one took: a CPU limit stops the guest for most of each tenth of a second but does not slow the rounds in between. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static volatile uint64_t state = 88172645463325252u;

static void work(void) {
    uint64_t x = state;
    for (int i = 0; i < 300000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    state = x;
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

/* Works and measures until the rounds done, at the price of the fastest, are a second of CPU. */
static double second_of_work(double *fastest) {
    double start = seconds(), before = start;
    for (int rounds = 1;; rounds++) {
        work();
        double after = seconds(), took = after - before;
        if (took < *fastest) *fastest = took;
        before = after;
        if (rounds * *fastest >= 1) return after - start;
    }
}

int main(void) {
    double fastest = 1;
    /* The first second would be the shorter, the slower the first rounds were. */
    for (int i = 0; i < 20; i++) {
        double before = seconds();
        work();
        double took = seconds() - before;
        if (took < fastest) fastest = took;
    }
    printf("working: one round takes %.2f ms of CPU\n", fastest * 1000);
    fflush(stdout);
    for (;;) {
        double took = second_of_work(&fastest);
        printf("a second of CPU work took %.1f s: %.0f %% of a core\n", took, 100 / took);
        fflush(stdout);
    }
}
