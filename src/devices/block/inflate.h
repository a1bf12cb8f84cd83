// Deflate, as in the compressed clusters of a qcow2 image.
#pragma once

#include <cstddef>
#include <span>

namespace cloche::block {

// Fills `out` from a bare deflate stream, behind which anything may follow. False: it is none, or gives fewer bytes.
bool inflate_into(std::span<const std::byte> deflated, std::span<std::byte> out);

}  // namespace cloche::block
