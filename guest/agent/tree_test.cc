#include "guest/agent/tree.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/agent/testing/host.h"
#include "tar/testing/stream.h"
#include "tar/testing/tree.h"

namespace cloche::agent {
namespace {

using tar::testing::describe;
using tar::testing::Stream;
using testing::Host;
using testing::text_of;
using wire::AgentFrame;

class TreeTest : public ::testing::Test {
 protected:
  // The stream, up to the empty frame.
  std::string pack(const std::string& path) {
    host_.send(wire::encode(AgentFrame::kPack, wire::Pack{path}));
    std::string stream;
    for (;;) {
      auto data = host_.expect(AgentFrame::kData);
      if (data.empty()) return stream;
      EXPECT_LE(data.size(), wire::kMaxDataBytes);
      stream += text_of(data);
    }
  }
  void unpack(const wire::Unpack& request, const std::string& stream) {
    host_.send(wire::encode(AgentFrame::kUnpack, request));
    for (size_t at = 0; at < stream.size(); at += 10'000)
      host_.send(wire::encode_text(AgentFrame::kData, std::string_view(stream).substr(at, 10'000)));
    host_.send(wire::encode_text(AgentFrame::kData, {}));
  }
  wire::Unpack into(const std::string& name) const { return {place_.path(), name, false, ::geteuid(), ::getegid()}; }

  tar::testing::Scratch tree_, place_;
  Host host_;
};

TEST_F(TreeTest, ATreeGoesOutAndIn) {
  tree_.make("a/b");
  tree_.put("a/b/large", std::string(500'000, 'x'));
  tree_.put("a/b/small", "y");
  ASSERT_EQ(::symlink("/anywhere", tree_.at("a/link").c_str()), 0);
  for (const std::string& path : {tree_.at("a"), tree_.at("a/"), tree_.at("a/."), tree_.at("a/b/..")}) {
    std::string stream = pack(path);
    host_.expect_done();
    unpack(into("a"), stream);
    host_.expect_done();
    EXPECT_EQ(describe(place_.path()), describe(tree_.path())) << path;
  }
}

TEST_F(TreeTest, ALinkAtTheTopIsPackedAsOne) {
  tree_.make("a");
  ASSERT_EQ(::symlink("a", tree_.at("link").c_str()), 0);
  std::string stream = pack(tree_.at("link"));
  host_.expect_done();
  unpack(into(""), stream);
  host_.expect_done();
  EXPECT_TRUE(std::filesystem::is_symlink(place_.at("link")));
}

TEST_F(TreeTest, WhatIsNotThereIsAnError) {
  for (const std::string& path : {tree_.at("none"), tree_.at("none/a"), std::string()}) {
    host_.send(wire::encode(AgentFrame::kPack, wire::Pack{path}));
    EXPECT_EQ(host_.expect_error().sys_errno, ENOENT) << path;
  }
}

// More than the socket holds: the host has the first piece, and the rest is still to be read.
TEST_F(TreeTest, AFileThatShrinksIsAnErrorBehindTheStream) {
  constexpr size_t kBytes = 20 << 20;
  tree_.put("file", std::string(kBytes, 'x'));
  host_.send(wire::encode(AgentFrame::kPack, wire::Pack{tree_.at("file")}));
  std::string stream = text_of(host_.expect(AgentFrame::kData));
  std::filesystem::resize_file(tree_.at("file"), 100);
  for (auto data = host_.expect(AgentFrame::kData); !data.empty(); data = host_.expect(AgentFrame::kData))
    stream += text_of(data);
  auto error = host_.expect_error();
  EXPECT_EQ(error.sys_errno, 0);
  EXPECT_EQ(error.what, "file changed while it was packed (1 files did)");
  unpack(into(""), stream);
  host_.expect_done();
  EXPECT_EQ(std::filesystem::file_size(place_.at("file")), kBytes);
}

TEST_F(TreeTest, ARefusedStreamLeavesTheConnectionInOrder) {
  std::string data(300'000, 'x');
  unpack(into(""), Stream().file("../out", data).whole());
  auto error = host_.expect_error();
  EXPECT_EQ(error.sys_errno, 0);
  EXPECT_EQ(error.what, "unpack ../out: its name has a component \"..\"");
  unpack({place_.at("none"), "", false, 0, 0}, Stream().file("a", data).whole());
  EXPECT_EQ(host_.expect_error().sys_errno, ENOENT);
  unpack(into(""), Stream().file("a", data).open());
  EXPECT_EQ(host_.expect_error().what, "the stream ends before its end");
  unpack(into("b"), Stream().file("a", data).whole());
  host_.expect_done();
  EXPECT_EQ(place_.got("b"), data);
}

TEST_F(TreeTest, AStreamThatTheHostLeavesLeavesNoHalfFile) {
  host_.send(wire::encode(AgentFrame::kUnpack, into("")));
  host_.send(wire::encode_text(AgentFrame::kData, Stream().file("a", std::string(2000, 'x')).open().substr(0, 1000)));
  host_.hang_up();
  EXPECT_TRUE(describe(place_.path()).empty());
}

TEST_F(TreeTest, OwnersAreTheHostsOrThoseOfTheStream) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  tree_.make("a");
  tree_.put("a/file", "x");
  ASSERT_EQ(::chown(tree_.at("a/file").c_str(), 12, 34), 0);
  ASSERT_EQ(::chmod(tree_.at("a/file").c_str(), 04755), 0);
  std::string stream = pack(tree_.at("a"));
  host_.expect_done();
  for (bool keep : {true, false}) {
    unpack({place_.path(), "", keep, 56, 78}, stream);
    host_.expect_done();
    struct stat status{};
    ASSERT_EQ(::stat(place_.at("a/file").c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, keep ? 12u : 56u);
    EXPECT_EQ(status.st_gid, keep ? 34u : 78u);
    EXPECT_EQ(status.st_mode & 07777, keep ? 04755u : 0755u);
  }
}

}  // namespace
}  // namespace cloche::agent
