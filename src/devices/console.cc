#include "devices/console.h"

#include <algorithm>

#include "virtio/spec.h"

namespace cloche {
namespace {

// A guest that floods its console shares the loop with the other devices: after this much they get their turn. One
// request may exceed it, up to Queue::kMaxChainBytes.
constexpr int kChainsPerKick = 64;
constexpr size_t kBytesPerKick = 256 << 10;

// What is handed on at once. Copied, so that who checks the bytes for control sequences uses the very bytes checked.
constexpr size_t kPiece = 4096;

void hand_on(const virtio::Chain& chain, size_t size, const Console::Output& output) {
  std::array<std::byte, kPiece> piece;
  for (size_t done = 0; done < size;) {
    std::span<std::byte> part(piece.data(), std::min(kPiece, size - done));
    chain.copy_out(done, part);
    output(part);
    done += part.size();
  }
}

}  // namespace

uint32_t Console::id() const { return virtio::kIdConsole; }

Result<virtio::Kick> Console::on_kick(unsigned index, virtio::Queue& queue) {
  if (index != kTransmit) return virtio::Kick::kDone;
  size_t bytes = 0;
  for (int served = 0; served < kChainsPerKick && bytes < kBytesPerKick; ++served) {
    auto chain = TRY(queue.pop());
    if (!chain) return virtio::Kick::kDone;
    size_t size = chain->readable_size();
    hand_on(*chain, size, output_);
    bytes += size;
    queue.push(chain->head, 0);
  }
  return virtio::Kick::kMore;
}

}  // namespace cloche
