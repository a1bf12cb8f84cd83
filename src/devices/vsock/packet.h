// Packets of virtio-vsock (virtio 1.2, section 5.10.6): the header as it lies in guest memory, and the spec's numbers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/endian.h"

namespace cloche::vsock {

inline constexpr uint64_t kHostCid = 2;
inline constexpr uint16_t kTypeStream = 1;
inline constexpr uint16_t kTypeDatagram = 3;  // Not in the spec; see tsi_message.h.

// Operations (section 5.10.6, "op").
inline constexpr uint16_t kOpInvalid = 0;
inline constexpr uint16_t kOpRequest = 1;
inline constexpr uint16_t kOpResponse = 2;
inline constexpr uint16_t kOpRst = 3;
inline constexpr uint16_t kOpShutdown = 4;
inline constexpr uint16_t kOpRw = 5;
inline constexpr uint16_t kOpCreditUpdate = 6;
inline constexpr uint16_t kOpCreditRequest = 7;

// Flags of kOpShutdown: what the sender of the packet will no longer do.
inline constexpr uint32_t kShutdownReceive = 1;
inline constexpr uint32_t kShutdownSend = 2;
inline constexpr uint32_t kShutdownBoth = kShutdownReceive | kShutdownSend;

inline constexpr uint32_t kEventTransportReset = 0;

struct Header {
  le64 src_cid;
  le64 dst_cid;
  le32 src_port;
  le32 dst_port;
  le32 len;  // Of the payload, in bytes.
  le16 type;
  le16 op;
  le32 flags;
  le32 buf_alloc;  // The sender's receive buffer, in bytes.
  le32 fwd_cnt;    // Bytes that left that buffer since the connection began, modulo 2^32.
};
inline constexpr size_t kHeaderSize = 44;
static_assert(sizeof(Header) == kHeaderSize && alignof(Header) == 1);

// The RST that answers `packet`, whatever stream it belonged to.
inline Header reset_for(const Header& packet) {
  Header reset;
  reset.src_cid = packet.dst_cid;
  reset.dst_cid = packet.src_cid;
  reset.src_port = packet.dst_port;
  reset.dst_port = packet.src_port;
  reset.type = packet.type;
  reset.op = kOpRst;
  return reset;
}

}  // namespace cloche::vsock
