/* SPDX-License-Identifier: Apache-2.0 */
/* The list of backends that this program was built with. */
#include "kernels/backend.h"

#include "kernels/cpu/backend_cpu.h"

#ifdef WITH_CUDA
#include "kernels/cuda/backend_cuda.h"
#endif

#include <string.h>

static const struct backend_ops *const backends[] = {
    &backend_cpu,
#ifdef WITH_CUDA
    &backend_cuda,
#endif
};

const struct backend_ops *backend_at(int index)
{
    int n = (int)(sizeof(backends) / sizeof(backends[0]));
    return index >= 0 && index < n ? backends[index] : NULL;
}

bool backend_on_host(const struct backend_ops *ops)
{
    return !ops || ops->on_host;
}

const struct backend_ops *backend_find(const char *name)
{
    for (int i = 0; backend_at(i); i++) {
        if (strcmp(backend_at(i)->name, name) == 0)
            return backend_at(i);
    }
    return NULL;
}

/* Those that there are, built in or not. */
static const struct {
    const char *name;
    bool on_host;
} known[] = {{"cpu", true}, {"cuda", false}};

bool backend_known(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0)
            return true;
    return false;
}

bool backend_wants_gpus(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0)
            return !known[i].on_host;
    return false;
}
