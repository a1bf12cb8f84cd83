#include "boot/unpack.h"

#include <bzlib.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <memory>

namespace cloche::boot {
namespace {

constexpr size_t kPiece = 256 << 10;
constexpr int kGzipHeader = 16;  // To inflateInit2(): of gzip's form only.

struct Piece {
  std::array<std::byte, kPiece> bytes;
};

// zlib and bzip2 count in unsigned int.
unsigned fitting(size_t size) { return static_cast<unsigned>(std::min<size_t>(size, INT_MAX)); }

}  // namespace

bool unpack_gzip(std::span<const std::byte> from, Sink& to) {
  z_stream stream{};
  if (::inflateInit2(&stream, MAX_WBITS + kGzipHeader) != Z_OK) return false;
  auto piece = std::make_unique<Piece>();
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(from.data()));  // It is only read.
  stream.avail_in = fitting(from.size());
  int result = Z_OK;
  while (result == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(piece->bytes.data());
    stream.avail_out = kPiece;
    result = ::inflate(&stream, Z_NO_FLUSH);
    if ((result == Z_OK || result == Z_STREAM_END) && !to.put(std::span(piece->bytes).first(kPiece - stream.avail_out)))
      result = Z_DATA_ERROR;
  }
  ::inflateEnd(&stream);
  return result == Z_STREAM_END;
}

bool unpack_bzip2(std::span<const std::byte> from, Sink& to) {
  bz_stream stream{};
  if (::BZ2_bzDecompressInit(&stream, 0, 0) != BZ_OK) return false;
  auto piece = std::make_unique<Piece>();
  stream.next_in = reinterpret_cast<char*>(const_cast<std::byte*>(from.data()));  // It is only read.
  stream.avail_in = fitting(from.size());
  int result = BZ_OK;
  while (result == BZ_OK) {
    stream.next_out = reinterpret_cast<char*>(piece->bytes.data());
    stream.avail_out = kPiece;
    result = ::BZ2_bzDecompress(&stream);
    bool stuck = result == BZ_OK && stream.avail_in == 0 && stream.avail_out == kPiece;
    bool moved = result == BZ_OK || result == BZ_STREAM_END;
    if (stuck || (moved && !to.put(std::span(piece->bytes).first(kPiece - stream.avail_out)))) result = BZ_DATA_ERROR;
  }
  ::BZ2_bzDecompressEnd(&stream);
  return result == BZ_STREAM_END;
}

bool unpack_zstd(std::span<const std::byte> from, Sink& to) {
  std::unique_ptr<ZSTD_DCtx, decltype(&::ZSTD_freeDCtx)> context(::ZSTD_createDCtx(), &::ZSTD_freeDCtx);
  if (!context) return false;
  auto piece = std::make_unique<Piece>();
  ZSTD_inBuffer in{from.data(), from.size(), 0};
  for (;;) {
    ZSTD_outBuffer out{piece->bytes.data(), kPiece, 0};
    size_t before = in.pos, left = ::ZSTD_decompressStream(context.get(), &out, &in);
    if (::ZSTD_isError(left) != 0 || !to.put(std::span(piece->bytes).first(out.pos))) return false;
    if (left == 0) return true;
    if (in.pos == before && out.pos == 0) return false;  // It is cut off.
  }
}

}  // namespace cloche::boot
