#include "devices/block/inflate.h"

#include <zlib.h>

namespace cloche::block {

bool inflate_into(std::span<const std::byte> deflated, std::span<std::byte> out) {
  z_stream stream{};
  // Negative: no header. A larger window than was used to compress is right, too.
  if (::inflateInit2(&stream, -MAX_WBITS) != Z_OK) return false;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(deflated.data()));  // It is only read.
  stream.avail_in = static_cast<uInt>(deflated.size());                                // Clusters are of 2 MiB at most.
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  int result = ::inflate(&stream, Z_FINISH);
  bool filled = stream.avail_out == 0 && (result == Z_STREAM_END || result == Z_BUF_ERROR);
  ::inflateEnd(&stream);
  return filled;
}

}  // namespace cloche::block
