#include "devices/rng.h"

#include <sys/random.h>

#include <algorithm>

#include "virtio/spec.h"

namespace cloche {
namespace {

// Random bytes cost the host time: this much per request (a driver that wants more asks again), and requests per turn
// of the loop.
constexpr size_t kMostBytesPerChain = 64 << 10;
constexpr int kChainsPerKick = 16;

}  // namespace

Result<void> fill_from_host(std::span<std::byte> out) {
  while (!out.empty()) {
    ssize_t got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      return fail_errno("get random bytes");
    }
    out = out.subspan(static_cast<size_t>(got));
  }
  return {};
}

uint32_t Rng::id() const { return virtio::kIdRng; }

Result<virtio::Kick> Rng::on_kick(unsigned, virtio::Queue& queue) {
  for (int served = 0; served < kChainsPerKick; ++served) {
    auto chain = TRY(queue.pop());
    if (!chain) return virtio::Kick::kDone;
    size_t written = 0;
    for (std::span<std::byte> out : chain->writable_from(0, kMostBytesPerChain)) {
      TRY(fill_(out));
      written += out.size();
    }
    queue.push(chain->head, static_cast<uint32_t>(written));
  }
  return virtio::Kick::kMore;
}

}  // namespace cloche
