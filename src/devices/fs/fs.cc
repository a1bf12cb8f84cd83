#include "devices/fs/fs.h"

#include <array>
#include <cstring>

#include "base/endian.h"
#include "devices/fs/dispatch.h"
#include "devices/fs/session.h"

namespace cloche::fs {

Result<std::unique_ptr<Fs>> Fs::create(Options options, Node root, Log log) {
  if (options.tag.empty() || options.tag.size() > kTagBytes) {
    return fail(ErrorCode::kInvalidArgument, "a share's tag must be of 1 to 36 bytes: \"" + options.tag + "\"");
  }
  if (options.entry_timeout.count() < 0 || options.attribute_timeout.count() < 0) {
    return fail(ErrorCode::kInvalidArgument, "a share's timeouts cannot be negative");
  }
  SelfFd self = TRY(SelfFd::create());
  InodeTable inodes = TRY(InodeTable::create(std::move(root)));
  inodes.for_each_host_leaf([&](const Inode& leaf) {
    if (leaf.sealed) log.warning("fs {}: a shared directory of the host's kernel is shown empty", options.tag);
  });
  auto session = std::make_unique<Session>(std::move(options), std::move(log), std::move(self), std::move(inodes));
  session->as_root = acts_as_root();
  return std::unique_ptr<Fs>(new Fs(std::move(session)));
}

Fs::Fs(std::unique_ptr<Session> session) : session_(std::move(session)) {
  const std::string& tag = session_->options.tag;
  std::memcpy(config_.data(), tag.data(), tag.size());
  le32 request_queues = 1;
  std::memcpy(config_.data() + kTagBytes, &request_queues, sizeof request_queues);
}

Fs::~Fs() = default;

void Fs::read_config(uint64_t offset, std::span<std::byte> out) const {
  virtio::read_config_bytes(config_, offset, out);
}

void Fs::reset() { session_->end(); }

Result<virtio::Kick> Fs::on_kick(unsigned, virtio::Queue& queue) {
  for (int served = 0; served < kChainsPerKick; ++served) {
    auto chain = TRY(queue.pop());  // Checked: in range, acyclic, at most kMaxChainBytes.
    if (!chain) return virtio::Kick::kDone;
    queue.push(chain->head, serve(*session_, *chain));
  }
  return virtio::Kick::kMore;
}

}  // namespace cloche::fs
