// A stand-in for the NVIDIA driver's library; the build says how it behaves.
#include <cstdlib>
#include <unistd.h>

extern "C" {

int cuInit(unsigned) {
#ifdef FAKE_CUDA_CRASHES
  abort();
#endif
#ifdef FAKE_CUDA_HANGS
  for (;;) pause();
#endif
  // Devices hidden from programs must not be hidden from detection.
  return getenv("CUDA_VISIBLE_DEVICES") == nullptr ? 0 : 100;
}
int cuDriverGetVersion(int* version) {
  *version = 12040;
  return 0;
}
int cuDeviceGetCount(int* count) {
  *count = 2;
  return 0;
}
int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal + 10;
  return 0;
}
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  // Device 10 has 9.0, device 11 has 8.6.
  if (attribute == 75) *value = device == 10 ? 9 : 8;
  if (attribute == 76) *value = device == 10 ? 0 : 6;
  return 0;
}
}
