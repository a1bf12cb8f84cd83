// Fuzzes the FUSE server: the input is a row of chains, each a length and bytes for the readable half, and a length for
// the writable one. The share is a small tree in a temporary directory that starts anew with each input.
#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

class Input {
 public:
  explicit Input(std::span<const std::byte> bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  uint16_t number() {
    uint16_t value = 0;
    Bytes bytes = take(sizeof value);
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  Bytes take(size_t size) {
    auto front = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(front.size());
    return {front.begin(), front.end()};
  }

 private:
  std::span<const std::byte> rest_;
};

Node tree(const TempDir& dir) {
  std::vector<std::pair<std::string, Node>> root;
  root.emplace_back("host", Node::host(path_fd(dir.path())));
  root.emplace_back("file", Node::file("contents"));
  root.emplace_back("link", Node::symlink("host/a"));
  return Node::directory(std::move(root));
}

// Hard on the machine and not on us: flushing the whole disk, and filling it.
bool left_out(const Bytes& request) {
  uint32_t opcode = 0;
  if (request.size() >= 8) std::memcpy(&opcode, request.data() + 4, sizeof opcode);
  return opcode == FUSE_SYNCFS || opcode == FUSE_FALLOCATE;
}

void run(std::span<const std::byte> bytes) {
  TempDir dir;
  dir.write("a", "contents");
  std::filesystem::create_directory(dir.path("d"));
  Share share(tree(dir));
  share.client.walk("host/a");
  share.client.walk("host/d");
  share.client.open_handle(share.client.walk("host/a"), O_RDWR);
  share.client.open_directory(share.client.walk("host"));
  Input input(bytes);
  while (!input.empty()) {
    uint16_t shape = input.number();
    virtio::FakeRequest chain;
    chain.readable.push_back(input.take(input.number() % 4096));
    uint16_t room = input.number() % 8192;
    if (room != 0) chain.writable.push_back(room);
    if (chain.readable[0].empty() || left_out(chain.readable[0])) continue;
    if (shape & 2) {  // A request whose length is right, which most random ones lack.
      auto size = static_cast<uint32_t>(chain.readable[0].size());
      std::memcpy(chain.readable[0].data(), &size, std::min(sizeof size, chain.readable[0].size()));
    }
    if (!share.client.driver().send(shape & 1, chain)) __builtin_trap();
  }
}

}  // namespace
}  // namespace cloche::fs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cloche::fs::run(std::as_bytes(std::span(data, size)));
  return 0;
}
