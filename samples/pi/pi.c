/* The first digits of pi, by Machin's formula: pi = 16 atan(1/5) - 4 atan(1/239).
 * usage: pi [DIGITS]   (200 when not said) */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    MOST = 100000, /* digits: minutes of work */
    LIMB = 9,      /* decimal digits in one number of a row */
    BASE = 1000000000,
    GUARD = 2 /* limbs that take the rounding errors and are not shown */
};

/* A fixed-point number: limbs[0] is before the point. */
static int size;

static uint32_t *number(void) {
    uint32_t *limbs = calloc(size, sizeof *limbs);
    if (limbs == NULL) {
        fprintf(stderr, "error: no memory for %d limbs\nhint: raise the container's memory limit or ask for fewer digits\n", size);
        exit(1);
    }
    return limbs;
}

/* result = value / divisor; false when nothing is left. */
static int divide(uint32_t *result, const uint32_t *value, uint32_t divisor) {
    uint64_t rest = 0;
    uint32_t any = 0;
    for (int i = 0; i < size; i++) {
        rest = rest * BASE + value[i];
        result[i] = rest / divisor;
        rest %= divisor;
        any |= result[i];
    }
    return any != 0;
}

/* sum += sign * value */
static void add(uint32_t *sum, const uint32_t *value, int sign) {
    int64_t carry = 0;
    for (int i = size - 1; i >= 0; i--) {
        carry += (int64_t)sum[i] + sign * (int64_t)value[i];
        int64_t limb = (carry % BASE + BASE) % BASE;
        sum[i] = limb;
        carry = (carry - limb) / BASE;
    }
}

/* sum += factor * atan(1/x), by the series 1/x - 1/3x^3 + 1/5x^5 - ... */
static void add_arctangent(uint32_t *sum, int factor, uint32_t x) {
    uint32_t *power = number(), *term = number();
    power[0] = abs(factor);
    int sign = factor < 0 ? -1 : 1;
    int more = divide(power, power, x);
    for (uint32_t n = 1; more; n += 2, sign = -sign) {
        if (divide(term, power, n)) add(sum, term, sign);
        more = divide(power, power, x * x);
    }
    free(power);
    free(term);
}

static void print(const uint32_t *pi, int digits) {
    printf("%u.", pi[0]);
    for (int i = 1; digits > 0; i++, digits -= LIMB) {
        char limb[LIMB + 1];
        snprintf(limb, sizeof limb, "%09u", pi[i]);
        printf("%.*s", digits < LIMB ? digits : LIMB, limb);
    }
    printf("\n");
}

int main(int count, char **arguments) {
    char *end = "";
    long digits = count > 1 ? strtol(arguments[1], &end, 10) : 200;
    if (*end != '\0' || digits < 1 || digits > MOST) {
        fprintf(stderr, "error: %s is no number of digits\nhint: say one from 1 to %d\n", arguments[1], MOST);
        return 2;
    }
    size = 1 + digits / LIMB + 1 + GUARD;
    uint32_t *pi = number();
    add_arctangent(pi, 16, 5);
    add_arctangent(pi, -4, 239);
    print(pi, digits);
    return 0;
}
