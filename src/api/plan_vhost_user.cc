// The guest's devices that other processes serve.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <filesystem>

#include "api/place.h"
#include "api/plan.h"
#include "base/printable.h"

namespace cloche {
namespace {

constexpr size_t kMostDevices = 16;
constexpr uint32_t kMostTypes = 64;  // Feature bits and drivers know no more.
constexpr uint32_t kDisk = 2;
constexpr uint32_t kSockets = 19;
constexpr uint32_t kFileSystem = 26;
constexpr uint32_t kMostQueues = 64;
constexpr uint16_t kMostQueueSize = 32768;  // virtio 1.2, section 2.7.
constexpr size_t kMostSocketPath = 107;
constexpr size_t kMostName = 64;

Result<void> check_type(const Config& config, const VhostUserDevice& device) {
  auto bad = [](std::string why) { return fail(ErrorCode::kInvalidArgument, "type: " + why); };
  if (device.type == 0 || device.type >= kMostTypes) return bad(fmt::format("{} is none of virtio's", device.type));
  if (device.type != kSockets) return {};
  if (config.first_program == FirstProgram::kCloche) return bad("cloche needs the guest's vsock for itself");
  if (config.tsi || !config.vsock_ports.empty()) return bad("ports and TSI need cloche's own vsock");
  return {};
}

Result<void> check_queues(const VhostUserDevice& device) {
  auto bad = [](std::string why) { return fail(ErrorCode::kInvalidArgument, "queues: " + why); };
  if (device.queues > kMostQueues) return bad(fmt::format("{}, and {} are the most", device.queues, kMostQueues));
  if (device.queue_sizes.size() > (device.queues == 0 ? kMostQueues : device.queues))
    return bad(fmt::format("there are {} sizes, and not as many queues", device.queue_sizes.size()));
  for (uint16_t size : device.queue_sizes) {
    if (!std::has_single_bit(size) || size > kMostQueueSize)
      return bad(fmt::format("size {} is no power of two up to {}", size, kMostQueueSize));
  }
  return {};
}

Result<void> check_texts(const VhostUserDevice& device) {
  auto bad = [](std::string why) { return fail(ErrorCode::kInvalidArgument, std::move(why)); };
  if (device.socket_path.empty()) return bad("it needs the path of a socket");
  for (const std::string* text : {&device.socket_path, &device.name})
    if (text->find('\0') != std::string::npos) return bad("its path or its name holds a NUL character");
  if (device.name.size() > kMostName || printable(device.name) != device.name)
    return bad(fmt::format("name: at most {} characters that can be printed", kMostName));
  return {};
}

Result<void> plan_one(const Config& config, const VhostUserDevice& device, Plan& plan) {
  TRY(check_type(config, device));
  TRY(check_queues(device));
  TRY(check_texts(device));
  std::error_code error;
  std::string path = std::filesystem::absolute(device.socket_path, error).string();
  if (error || path.size() > kMostSocketPath)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' has more than {} characters", printable(path), kMostSocketPath));
  if (device.type == kDisk || device.type == kFileSystem) plan.vm.start.has_disks = true;
  plan.vm.vhost_user.push_back({.type = device.type,
                                .socket_path = std::move(path),
                                .name = device.name.empty() ? fmt::format("vhost-user-{}", device.type) : device.name,
                                .queues = device.queues,
                                .queue_sizes = device.queue_sizes});
  return {};
}

}  // namespace

Result<void> plan_vhost_user(const Config& config, Plan& plan) {
  size_t others = plan.vm.shares.size() + plan.vm.disks.size();
  if (config.vhost_user.size() > kMostDevices || config.vhost_user.size() + others > kMaxDevices)
    return fail(ErrorCode::kInvalidArgument, fmt::format("vhost-user devices: {} are too many; a VM takes {}, and {} "
                                                         "with its shares and disks",
                                                         config.vhost_user.size(), kMostDevices, kMaxDevices));
  for (size_t index = 0; index < config.vhost_user.size(); ++index) {
    auto planned = plan_one(config, config.vhost_user[index], plan);
    if (!planned) return std::unexpected(std::move(planned).error().in(fmt::format("vhost-user device {}", index)));
  }
  return {};
}

}  // namespace cloche
