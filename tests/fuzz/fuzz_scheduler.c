/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a scheduler_config.json: refused, or a configuration whose schedules are finite. */
#include "models/sampler.h"

#include <math.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct sampler *sampler)
{
    int draws = 0;

    for (int i = 0; i < sampler->steps; i++) {
        const struct advance_coef *c = &sampler->coef[i];

        BUG_ON(!isfinite(sampler->timestep[i]), "step %d: timestep %g", i,
               (double)sampler->timestep[i]);
        BUG_ON(!isfinite(c->x0_x + c->x0_m + c->c_x + c->c_m + c->c_x0 + c->c_hist + c->c_noise),
               "step %d", i);
        draws += sampler->draws[i];
    }
    BUG_ON(draws != sampler->n_draws, "%d draws, %d counted", draws, sampler->n_draws);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int steps[] = {1, 2, 15, 61};
    struct sampler_config config;

    if (sampler_config_parse("fuzz", (const char *)data, size, &config) != ST_OK)
        return 0;
    for (int i = 0; i < 4; i++) {
        struct sampler *sampler;

        if (sampler_open(&config, steps[i], 1024, &sampler) == ST_OK) {
            check(sampler);
            sampler_close(sampler);
        }
    }
    return 0;
}
