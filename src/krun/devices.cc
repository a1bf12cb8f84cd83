// Devices that cloche does not have.
#include <cerrno>

#include "krun/context.h"
#include "libkrun.h"

namespace cloche::krun {
namespace {

int32_t unsupported(uint32_t id) {
  return with_context(id, [](Context&) { return -ENOTSUP; });
}

int32_t taken_note_of(uint32_t id) {
  return with_context(id, [](Context&) { return 0; });
}

}  // namespace
}  // namespace cloche::krun

using namespace cloche::krun;

extern "C" {

int32_t krun_set_gpu_options(uint32_t ctx_id, uint32_t) { return taken_note_of(ctx_id); }
int32_t krun_set_gpu_options2(uint32_t ctx_id, uint32_t, uint64_t) { return taken_note_of(ctx_id); }
int32_t krun_set_snd_device(uint32_t ctx_id, bool) { return taken_note_of(ctx_id); }
int32_t krun_add_display(uint32_t ctx_id, uint32_t, uint32_t) { return unsupported(ctx_id); }
int32_t krun_display_set_edid(uint32_t ctx_id, uint32_t, const uint8_t*, size_t) { return unsupported(ctx_id); }
int32_t krun_display_set_dpi(uint32_t ctx_id, uint32_t, uint32_t) { return unsupported(ctx_id); }
int32_t krun_display_set_physical_size(uint32_t ctx_id, uint32_t, uint16_t, uint16_t) { return unsupported(ctx_id); }
int32_t krun_display_set_refresh_rate(uint32_t ctx_id, uint32_t, uint32_t) { return unsupported(ctx_id); }
int32_t krun_set_display_backend(uint32_t ctx_id, const void*, size_t) { return unsupported(ctx_id); }
int32_t krun_add_input_device(uint32_t ctx_id, const void*, size_t, const void*, size_t) { return unsupported(ctx_id); }
int32_t krun_add_input_device_fd(uint32_t ctx_id, int) { return unsupported(ctx_id); }
int32_t krun_add_vhost_user_device(uint32_t ctx_id, uint32_t, const char*, const char*, uint16_t, const uint16_t*) {
  return unsupported(ctx_id);
}

}  // extern "C"
