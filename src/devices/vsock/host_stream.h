// The host's end of a stream.
#pragma once

#include "base/host_file.h"

namespace cloche::vsock {

// What a connector hands over. Either half may be missing: without input the guest reads end of file at once; without
// output what the guest writes is refused. Two duplicates of one socket make a stream that goes both ways.
struct HostStream {
  Fd input;   // Bytes to the guest are read from here.
  Fd output;  // Bytes from the guest are written here.
};

// Both directions of a stream.
class HostEnd {
 public:
  HostEnd(HostStream stream, EventLoop& loop);

  HostFile& input() { return input_; }
  HostFile& output() { return output_; }
  const HostFile& input() const { return input_; }
  const HostFile& output() const { return output_; }
  // Ends one direction. Where one socket serves both, closing a descriptor would not tell its peer: then it is also
  // half-closed. Other sockets are not, for they may be shared (a script's standard output).
  void close_input();
  void close_output();

 private:
  bool one_socket_;
  HostFile input_;
  HostFile output_;
};

}  // namespace cloche::vsock
