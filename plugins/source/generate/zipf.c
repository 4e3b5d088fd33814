#include "zipf.h"

#include "random.h"
#include <math.h>

/* --- Zipf's distribution by rejection-inversion (Hörmann and Derflinger, "Rejection-inversion to generate variates
 * from monotone discrete distributions", ACM TOMACS 6 (3), 1996), which needs no table --- */

/* log(1 + x) / x and (exp(x) - 1) / x, also near 0. */
static double log1p_ratio(double x)
{
    return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x * (0.5 - x * (1.0 / 3 - x * 0.25));
}

static double expm1_ratio(double x)
{
    return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x * 0.5 * (1 + x / 3 * (1 + x * 0.25));
}

static double density(const struct zipf *z, double x)
{
    return exp(-z->exponent * log(x));
}

static double integral(const struct zipf *z, double x)
{
    double l = log(x);
    return expm1_ratio((1 - z->exponent) * l) * l;
}

static double integral_inverse(const struct zipf *z, double x)
{
    double t = x * (1 - z->exponent);
    return exp(log1p_ratio(t < -1 ? -1 : t) * x);
}

void zipf_init(struct zipf *z, int64_t count, double exponent)
{
    *z = (struct zipf){.count = (uint64_t)count, .exponent = exponent};
    z->integral_first = integral(z, 1.5) - 1;
    z->integral_last = integral(z, (double)count + 0.5);
    z->shortcut = 2 - integral_inverse(z, integral(z, 2.5) - density(z, 2));
}

uint64_t zipf_next(const struct zipf *z, uint64_t *state)
{
    if (z->exponent <= 0) {
        return 1 + random_below(state, z->count);
    }
    for (;;) {
        double u = z->integral_last + random_unit(state) * (z->integral_first - z->integral_last);
        double x = integral_inverse(z, u), rank = floor(x + 0.5);
        rank = rank < 1 ? 1 : (double)z->count < rank ? (double)z->count : rank;
        if (rank - x <= z->shortcut || u >= integral(z, rank + 0.5) - density(z, rank)) {
            return (uint64_t)rank;
        }
    }
}
