/* A driver's library for tests: answers what the environment tells it to.
 *
 * STUB_COUNT      number of devices (1)
 * STUB_NAME       name of every device
 * STUB_CC         compute capability, "8.9"
 * STUB_TOTAL_MIB  memory of a device; 0 = the driver answers zero
 * STUB_MIG        instances a device is divided into; absent = MIG is off
 * STUB_FAIL       "function=code function@1=code": codes to answer instead, @1 for device 1 only
 * Built with -DOLD_DRIVER it lacks symbols that came later, and has one process list in version 2.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int index, slice; } device;
typedef struct { unsigned long long total, free, used; } memory_v1;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_v2;
typedef struct { unsigned gpu, memory; } utilization;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } process;

static device devices[8] = {{0, -1}, {1, -1}, {2, -1}, {3, -1}, {4, -1}, {5, -1}, {6, -1}, {7, -1}};
static const unsigned long long MIB = 1 << 20;

static const char *text(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value ? value : otherwise;
}

static int fails_as(const char *key) {
    const char *found = text("STUB_FAIL", "");
    size_t length = strlen(key);
    while ((found = strstr(found, key))) {
        if (found[length] == '=') return atoi(found + length + 1);
        found += length;
    }
    return 0;
}

static int fails(const char *function, const device *d) {
    char key[128];
    int code = fails_as(function);
    if (code || !d) return code;
    snprintf(key, sizeof key, "%s@%d", function, d->index);
    return fails_as(key);
}
#define CHECK(d) do { int code_ = fails(__func__, d); if (code_) return code_; } while (0)

int nvmlInitWithFlags(unsigned flags) { (void)flags; CHECK(NULL); return 0; }
int nvmlSystemGetDriverVersion(char *out, unsigned n) { CHECK(NULL); snprintf(out, n, "580.65.06"); return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { CHECK(NULL); *count = atoi(text("STUB_COUNT", "1")); return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **out) {
    if ((int)index >= atoi(text("STUB_COUNT", "1"))) return 2;
    *out = &devices[index];
    CHECK(*out);
    return 0;
}
int nvmlDeviceGetName(device *d, char *out, unsigned n) {
    CHECK(d);
    const char *name = text("STUB_NAME", "NVIDIA GeForce RTX 4090");
    if (d->slice < 0) snprintf(out, n, "%s", name);
    else snprintf(out, n, "%s MIG 1g.10gb", name);
    return 0;
}
int nvmlDeviceGetUUID(device *d, char *out, unsigned n) {
    CHECK(d);
    if (d->slice < 0) snprintf(out, n, "GPU-0000000%d", d->index);
    else snprintf(out, n, "MIG-0000000%d-%d", d->index, d->slice);
    return 0;
}
static unsigned long long total_of(const device *d) {
    unsigned long long total = strtoull(text("STUB_TOTAL_MIB", "24564"), NULL, 10) * MIB;
    return d->slice < 0 ? total : total / 8;
}
int nvmlDeviceGetMemoryInfo(device *d, memory_v1 *m) {
    CHECK(d);
    m->total = total_of(d);
    m->used = m->total ? 1500 * MIB : 0;
    m->free = m->total - m->used;
    return 0;
}
int nvmlDeviceGetCudaComputeCapability(device *d, int *major, int *minor) {
    CHECK(d);
    if (d->slice >= 0) return 3;
    return sscanf(text("STUB_CC", "8.9"), "%d.%d", major, minor) == 2 ? 0 : 999;
}
static int list(unsigned *count, process *rows, const process *mine, unsigned length) {
    if (*count < length || !rows) { *count = length; return 7; }
    memcpy(rows, mine, length * sizeof *mine);
    *count = length;
    return 0;
}
#ifdef OLD_DRIVER
#define nvmlDeviceGetComputeRunningProcesses_v3 nvmlDeviceGetComputeRunningProcesses_v2
#endif
int nvmlDeviceGetComputeRunningProcesses_v3(device *d, unsigned *count, process *rows) {
    CHECK(d);
    const process mine[] = {{4242, 1000 * MIB, 0, 0}, {4243, ~0ULL, 0, 0}};
    return list(count, rows, mine, 2);
}
#ifndef OLD_DRIVER
static device slices[8][4];

int nvmlDeviceGetMemoryInfo_v2(device *d, memory_v2 *m) {
    CHECK(d);
    if (m->version != (sizeof *m | 2u << 24)) return 25;
    m->total = total_of(d);
    m->used = m->total ? 1000 * MIB : 0;
    m->reserved = m->total ? 500 * MIB : 0;
    m->free = m->total - m->used - m->reserved;
    return 0;
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(device *d, unsigned *count, process *rows) {
    CHECK(d);
    const process mine[] = {{4242, 1000 * MIB, 0, 0}, {77, 30 * MIB, 0, 0}};
    return list(count, rows, mine, 2);
}
int nvmlDeviceGetUtilizationRates(device *d, utilization *u) { CHECK(d); u->gpu = 37; u->memory = 5; return 0; }
int nvmlSystemGetProcessName(unsigned pid, char *out, unsigned n) {
    CHECK(NULL);
    if (pid == 77) return 6;
    snprintf(out, n, "/usr/bin/python3 serve.py --api-key secret");
    return 0;
}
int nvmlDeviceGetMigMode(device *d, unsigned *current, unsigned *pending) {
    CHECK(d);
    *current = *pending = getenv("STUB_MIG") != NULL;
    return 0;
}
int nvmlDeviceGetMaxMigDeviceCount(device *d, unsigned *count) { CHECK(d); *count = 4; return 0; }
int nvmlDeviceGetMigDeviceHandleByIndex(device *d, unsigned index, device **out) {
    CHECK(d);
    if ((int)index >= atoi(text("STUB_MIG", "0"))) return 6;
    *out = &slices[d->index][index];
    **out = (device){d->index, (int)index};
    return 0;
}
#endif
