// A UNIX stream that carries frames as passt and QEMU's stream netdev do: 4 bytes of length, big-endian, then a frame.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "devices/net/back_end.h"

namespace cloche::net {

class Stream final : public BackEnd {
 public:
  explicit Stream(Fd socket) : socket_(std::move(socket)) {}
  static Result<Stream> connect(const std::string& path);

  int fd() const override { return socket_.get(); }
  Received receive(std::span<std::byte> to) override;
  bool has_received() const override;
  bool collect() override;
  Moved send(std::span<const std::byte> packet) override;
  Moved flush() override;

 private:
  // What is kept of either direction: a system call then moves many small frames, or several of the largest.
  static constexpr size_t kBuffer = 256 << 10;
  static constexpr size_t kLength = 4;
  // To copy as much once more costs about a system call.
  static constexpr size_t kLarge = 4 << 10;

  Moved fill();
  Moved send_with_held(std::span<const std::byte> frame);
  size_t next_length() const;
  size_t received() const { return end_ - begin_; }

  Fd socket_;
  std::vector<std::byte> in_, out_;
  size_t begin_ = 0, end_ = 0;  // What is in in_.
  size_t sent_ = 0;             // Of out_.
};

}  // namespace cloche::net
