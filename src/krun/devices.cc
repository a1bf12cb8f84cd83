// Devices that other processes serve, and those that cloche does not have.
#include <algorithm>
#include <bit>
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

constexpr uint16_t kMostQueues = 64;  // VhostUserDevice's.

// As many as there are queues; where the back end is to say how many, up to a 0. Nothing: one of them is no size.
std::optional<std::vector<uint16_t>> sizes_of(const uint16_t* sizes, uint16_t queues) {
  std::vector<uint16_t> all;
  if (sizes == nullptr) return all;
  uint16_t most = queues == 0 ? kMostQueues : queues;
  for (uint16_t i = 0; i < most && (queues != 0 || sizes[i] != 0); ++i) {
    if (!std::has_single_bit(sizes[i])) return std::nullopt;
    all.push_back(sizes[i]);
  }
  return all;
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

int32_t krun_add_vhost_user_device(uint32_t ctx_id, uint32_t device_type, const char* socket_path, const char* name,
                                   uint16_t num_queues, const uint16_t* queue_sizes) {
  return with_context(ctx_id, [&](Context& context) {
    if (socket_path == nullptr || *socket_path == '\0' || device_type == 0 || num_queues > kMostQueues) return -EINVAL;
    auto sizes = sizes_of(queue_sizes, num_queues);
    if (!sizes) return -EINVAL;
    context.vhost_user.push_back({.type = device_type,
                                  .socket_path = socket_path,
                                  .name = name == nullptr ? "" : name,
                                  .queues = num_queues,
                                  .queue_sizes = std::move(*sizes)});
    return 0;
  });
}

}  // extern "C"
