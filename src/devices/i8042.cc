#include "devices/i8042.h"

namespace cloche {
namespace {

constexpr uint64_t kData = 0;
constexpr uint64_t kCommand = 4;        // Status, when read.
constexpr std::byte kPulseReset{0xfe};  // Command: pulse output line 0.
constexpr std::byte kBuffersEmpty{0};   // Status: nothing to read, ready for a command.

}  // namespace

// Port 0x61 lies between and belongs to the timer. It reads all ones: a guest that waits there for its timer bit goes
// on at once.
void I8042::read(uint64_t offset, std::span<std::byte> data) {
  for (std::byte& byte : data) {
    bool ours = offset == kData || offset == kCommand;
    byte = ours ? kBuffersEmpty : std::byte{0xff};
    ++offset;
  }
}

void I8042::write(uint64_t offset, std::span<const std::byte> data) {
  for (std::byte byte : data)
    if (offset++ == kCommand && byte == kPulseReset) reset_();
}

}  // namespace cloche
