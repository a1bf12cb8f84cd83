// BackEnd with a real back end: the disk of qemu-storage-daemon takes a request from memory that it shares with us.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>

#include "devices/vhost_user/back_end.h"
#include "virtio/spec.h"

namespace cloche::vhost_user {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMemory = 1 << 20;
constexpr size_t kSector = 512;
constexpr uint64_t kDescriptors = 0x1000, kAvailable = 0x2000, kUsed = 0x3000;
constexpr uint64_t kHeader = 0x10000, kData = 0x11000, kStatus = 0x12000;

class StorageDaemon : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/cloche-vhost-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    Fd image = open_file(disk(), O_CREAT | O_RDWR, 0600).value();
    ASSERT_EQ(::ftruncate(image.get(), 8 << 20), 0);
    std::string block = "driver=file,node-name=d,filename=" + disk();
    std::string exported =
        "type=vhost-user-blk,id=e,node-name=d,writable=on,addr.type=unix,addr.path=" + directory_ + "/socket";
    std::array<std::string, 5> words{"qemu-storage-daemon", "--blockdev", block, "--export", exported};
    std::array<char*, 6> arguments{};
    std::ranges::transform(words, arguments.begin(), [](std::string& word) { return word.data(); });
    ASSERT_EQ(::posix_spawnp(&daemon_, words[0].c_str(), nullptr, nullptr, arguments.data(), environ), 0)
        << "qemu-storage-daemon: ./dev setup installs it";
  }

  void TearDown() override {
    kill_daemon();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  void kill_daemon() {
    if (daemon_ <= 0) return;
    ::kill(daemon_, SIGKILL);
    ::waitpid(daemon_, nullptr, 0);
    daemon_ = -1;
  }

  std::string disk() const { return directory_ + "/disk"; }

  // It listens some time after it was started.
  Result<BackEnd> connect() {
    auto channel = Channel::connect(directory_ + "/socket");
    for (int tries = 0; tries < 200 && !channel; ++tries) {
      std::this_thread::sleep_for(50ms);
      channel = Channel::connect(directory_ + "/socket");
    }
    if (!channel) return std::unexpected(channel.error());
    return BackEnd::create(std::move(*channel));
  }

  std::string directory_;
  pid_t daemon_ = -1;
};

struct Descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags;
  uint16_t next;
};

// A request that writes a sector of 'z' to sector 3, published.
void put_request(std::byte* memory) {
  const std::array<Descriptor, 3> chain{Descriptor{kHeader, 16, virtio::kDescNext, 1},
                                        {kData, kSector, virtio::kDescNext, 2},
                                        {kStatus, 1, virtio::kDescWrite, 0}};
  const std::array<uint32_t, 4> header{1, 0, 3, 0};  // VIRTIO_BLK_T_OUT.
  const std::array<uint16_t, 3> available{0, 1, 0};  // Flags, index, the first entry.
  std::memcpy(memory + kDescriptors, chain.data(), sizeof chain);
  std::memcpy(memory + kHeader, header.data(), sizeof header);
  std::fill_n(memory + kData, kSector, std::byte{'z'});
  memory[kStatus] = std::byte{0xff};
  std::memcpy(memory + kAvailable, available.data(), sizeof available);
}

TEST_F(StorageDaemon, WritesToItsDiskAndIsMissedWhenKilled) {
  auto back_end = connect();
  ASSERT_TRUE(back_end) << back_end.error().message();
  uint64_t sectors = 0;
  auto config = back_end->config(60);
  ASSERT_TRUE(config) << config.error().message();
  std::memcpy(&sectors, config->data(), sizeof sectors);
  EXPECT_EQ(sectors, (8u << 20) / kSector);

  Fd file(::memfd_create("guest", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(file.get(), kMemory), 0);
  auto* memory = static_cast<std::byte*>(::mmap(nullptr, kMemory, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0));
  ASSERT_NE(memory, MAP_FAILED);
  put_request(memory);
  EventFd kick = EventFd::create().value(), call = EventFd::create().value();
  SharedRegion region{0, kMemory, file.get(), 0};
  ASSERT_TRUE(back_end->set_features(virtio::kFeatureVersion1));
  ASSERT_TRUE(back_end->set_memory(std::span(&region, 1)));
  ASSERT_TRUE(back_end->start({.index = 0,
                               .size = 64,
                               .descriptors = kDescriptors,
                               .available = kAvailable,
                               .used = kUsed,
                               .kick_fd = kick.fd(),
                               .call_fd = call.fd()}));
  kick.signal();
  volatile std::byte* status = memory + kStatus;
  for (int tries = 0; tries < 100 && *status == std::byte{0xff}; ++tries) {
    pollfd polled{call.fd(), POLLIN, 0};
    ::poll(&polled, 1, 100);
    call.drain();
  }
  EXPECT_EQ(std::byte{*status}, std::byte{0});
  EXPECT_EQ(back_end->stop(0).value_or(0), 1);
  ::munmap(memory, kMemory);

  std::vector<std::byte> sector(kSector);
  Fd written = open_file(disk(), O_RDONLY).value();
  ASSERT_EQ(::lseek(written.get(), 3 * kSector, SEEK_SET), 3 * static_cast<off_t>(kSector));
  ASSERT_EQ(read_full(written.get(), sector).value_or(0), kSector);
  EXPECT_EQ(sector, std::vector<std::byte>(kSector, std::byte{'z'}));

  kill_daemon();
  auto gone = back_end->config(60);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, ErrorCode::kHost);
}

}  // namespace
}  // namespace cloche::vhost_user
