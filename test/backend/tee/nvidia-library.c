// A management library for tests with NVML's C interface (nvml.h): two GPUs whose answers repeat what they were asked.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int nvmlReturn_t;
typedef struct device *nvmlDevice_t;

struct report {
  unsigned int cecPresent;
  unsigned int size;
  unsigned int cecSize;
  unsigned char nonce[0x20];
  unsigned char report[0x2000];
  unsigned char cecReport[0x1000];
};
struct certificate {
  unsigned int chainSize;
  unsigned int attestationChainSize;
  unsigned char chain[0x1000];
  unsigned char attestationChain[0x1400];
};
struct state {
  unsigned int environment;
  unsigned int feature;
  unsigned int developerTools;
};

static unsigned int setting(const char *name, unsigned int otherwise) {
  const char *value = getenv(name);
  return value ? (unsigned int)strtoul(value, NULL, 10) : otherwise;
}

nvmlReturn_t nvmlInit_v2(void) { return (nvmlReturn_t)setting("FAKE_NVML_INIT", 0); }
nvmlReturn_t nvmlShutdown(void) { return 0; }
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) {
  *count = setting("FAKE_NVML_COUNT", 2);
  return 0;
}
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
  if (index > 1) return 2;
  *device = (nvmlDevice_t)(uintptr_t)(0x7fff00000000u + index);
  return 0;
}
nvmlReturn_t nvmlSystemGetConfComputeState(struct state *state) {
  state->environment = setting("FAKE_NVML_ENVIRONMENT", 2);
  state->feature = setting("FAKE_NVML_FEATURE", 1);
  state->developerTools = setting("FAKE_NVML_DEVTOOLS", 0);
  return 0;
}
nvmlReturn_t nvmlDeviceGetConfComputeGpuAttestationReport(nvmlDevice_t device, struct report *report) {
  if ((uintptr_t)device < 0x7fff00000000u) return 2;
  unsigned int fails = setting("FAKE_NVML_REPORT", 0);
  if (fails) return (nvmlReturn_t)fails;
  report->report[0] = (unsigned char)((uintptr_t)device & 0xff);
  memcpy(report->report + 1, report->nonce, sizeof report->nonce);
  report->size = setting("FAKE_NVML_SIZE", 33);
  return 0;
}
nvmlReturn_t nvmlDeviceGetConfComputeGpuCertificate(nvmlDevice_t device, struct certificate *certificate) {
  (void)device;
  const char *pem = getenv("FAKE_NVML_PEM");
  certificate->attestationChainSize = (unsigned int)strlen(pem) + 1;
  memcpy(certificate->attestationChain, pem, strlen(pem) + 1);
  return 0;
}
nvmlReturn_t nvmlSystemSetConfComputeGpusReadyState(unsigned int accepting) { return accepting == 1 ? 0 : 2; }
