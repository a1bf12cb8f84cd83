#include "guest/krun-init/ports.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace cloche::krun_init {
namespace {

class PortsTest : public testing::Test {
 protected:
  PortsTest() {
    char name[] = "/tmp/krun-init-ports-XXXXXX";
    folder_ = ::mkdtemp(name);
    std::filesystem::create_directories(folder_ + "/dev");
  }
  ~PortsTest() override { std::filesystem::remove_all(folder_); }

  void add(const std::string& device, const std::string& name) const {
    std::filesystem::create_directories(folder_ + "/names/" + device);
    std::ofstream(folder_ + "/names/" + device + "/name") << name << "\n";
    std::ofstream(folder_ + "/dev/" + device) << name;
  }
  Result<init::CommandStreams> open() const { return open_streams(folder_ + "/names", folder_ + "/dev"); }

  std::string folder_;
};

TEST_F(PortsTest, WithoutPortsTheStreamsAreOurOwn) {
  auto streams = open();
  ASSERT_TRUE(streams);
  EXPECT_EQ(streams->input, 0);
  EXPECT_EQ(streams->output, 1);
  EXPECT_EQ(streams->error, 2);
}

TEST_F(PortsTest, PortsAreFoundByTheirNames) {
  add("vport0p1", "krun-stdin");
  add("vport0p2", "krun-stderr");
  add("vport0p3", "krun-stdin-too");
  std::filesystem::create_directories(folder_ + "/names/nameless");
  auto streams = open();
  ASSERT_TRUE(streams);
  EXPECT_EQ(streams->output, 1);
  char text[32] = {};
  ASSERT_GT(::read(streams->input, text, sizeof text - 1), 0);
  EXPECT_STREQ(text, "krun-stdin");
  EXPECT_EQ(::write(streams->error, "said", 4), 4);
  struct stat status{};
  EXPECT_EQ(::fstat(streams->error, &status), 0);
  EXPECT_EQ(std::filesystem::file_size(folder_ + "/dev/vport0p2"), sizeof "krun-stderr" - 1);
  close_streams(*streams);
  EXPECT_LT(::fstat(streams->input, &status), 0);
  EXPECT_LT(::fstat(streams->error, &status), 0);
  EXPECT_EQ(::fstat(streams->output, &status), 0) << "it is our own";
}

TEST_F(PortsTest, APortThatCannotBeOpenedIsNamed) {
  add("vport0p1", "krun-stdout");
  std::filesystem::remove(folder_ + "/dev/vport0p1");
  auto streams = open();
  ASSERT_FALSE(streams);
  EXPECT_EQ(streams.error().what, "open port krun-stdout");
  EXPECT_EQ(streams.error().sys_errno, ENOENT);
}

}  // namespace
}  // namespace cloche::krun_init
