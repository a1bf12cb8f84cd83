#include "vmm/open_vhost_user.h"

namespace cloche {
namespace {

Result<vhost_user::BackEnd> connect(const std::string& path) {
  return vhost_user::BackEnd::create(TRY(vhost_user::Channel::connect(path)));
}

}  // namespace

Result<std::vector<MachineVhostUser>> open_vhost_user(const std::vector<wire::VmVhostUser>& devices) {
  std::vector<MachineVhostUser> opened;
  for (const wire::VmVhostUser& device : devices) {
    auto back_end = connect(device.socket_path);
    if (!back_end) return std::unexpected(std::move(back_end).error().in(device.name));
    opened.push_back(
        {{.type = device.type, .name = device.name, .queues = device.queues, .queue_sizes = device.queue_sizes},
         std::move(*back_end)});
  }
  return opened;
}

}  // namespace cloche
