// Streams of bytes out of their compressed forms, by Debian's libraries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cloche::boot {

// Takes what is unpacked, piece by piece. False: no more of it.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual bool put(std::span<const std::byte> bytes) = 0;
};

// Each unpacks the one stream that `from` begins with; what lies behind it is nobody's. False: it is damaged or cut
// off, there is no memory, or the sink wants no more.
bool unpack_bzip2(std::span<const std::byte> from, Sink& to);
bool unpack_gzip(std::span<const std::byte> from, Sink& to);
bool unpack_zstd(std::span<const std::byte> from, Sink& to);

}  // namespace cloche::boot
