// krun_get_default_init(): guest/krun-init's program, which lies in this library.
#include <cerrno>

#include "libkrun.h"

// A section of its own, which is read only; KRUN_INIT_PROGRAM is the file.
asm(R"(
  .pushsection .rodata.krun_init, "a", @progbits
  .balign 16
krun_init_begin:
  .incbin ")" KRUN_INIT_PROGRAM R"("
krun_init_end:
  .popsection
)");

extern "C" {

[[gnu::visibility("hidden")]] extern const uint8_t begin_of_init[] asm("krun_init_begin"), end_of_init[] asm(
                                                                                               "krun_init_end");

int32_t krun_get_default_init(const uint8_t** data, size_t* len) {
  if (data == nullptr || len == nullptr) return -EINVAL;
  *data = begin_of_init;
  *len = static_cast<size_t>(end_of_init - begin_of_init);
  return 0;
}

}  // extern "C"
