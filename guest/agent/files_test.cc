#include "guest/agent/files.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "guest/agent/testing/host.h"

namespace cloche::agent {
namespace {

using testing::bytes_of;
using testing::Host;
using testing::text_of;
using wire::AgentFrame;

class FilesTest : public ::testing::Test {
 protected:
  FilesTest() {
    std::string name = ::testing::TempDir() + "/agent-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~FilesTest() override { std::filesystem::remove_all(folder_); }
  std::string at(const std::string& name) const { return folder_ + "/" + name; }
  void put(const std::string& name, const std::string& text) const { std::ofstream(at(name)) << text; }
  std::string got(const std::string& name) const {
    std::ifstream file(at(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  wire::WriteFile request(const std::string& name, wire::WriteMode mode = wire::WriteMode::kReplace) const {
    return {at(name), mode, 0640, ::geteuid(), ::getegid()};
  }
  void write(const wire::WriteFile& request, const std::string& text) {
    host_.send(wire::encode(AgentFrame::kWriteFile, request));
    host_.send(wire::encode_text(AgentFrame::kData, text));
    host_.send(wire::encode_text(AgentFrame::kData, {}));
  }
  std::string read(const wire::FileRange& range) {
    host_.send(wire::encode(AgentFrame::kReadFile, range));
    std::string text;
    for (;;) {
      auto data = host_.expect(AgentFrame::kData);
      if (data.empty()) break;
      EXPECT_LE(data.size(), wire::kMaxDataBytes);
      text += text_of(data);
    }
    host_.expect_done();
    return text;
  }
  size_t count() const { return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {})); }

  std::string folder_;
  Host host_;
};

TEST_F(FilesTest, WhatIsWrittenIsRead) {
  std::string text(200'000, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7);
  write(request("a"), text);
  host_.expect_done();
  EXPECT_EQ(read({at("a")}), text);
  EXPECT_EQ(read({at("a"), 199'990, 5}), text.substr(199'990, 5));
  EXPECT_EQ(read({at("a"), 300'000}), "");
  struct stat status{};
  ASSERT_EQ(::stat(at("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
}

TEST_F(FilesTest, AppendAndCreate) {
  put("a", "one");
  write(request("a", wire::WriteMode::kAppend), " two");
  host_.expect_done();
  EXPECT_EQ(got("a"), "one two");
  write(request("a", wire::WriteMode::kCreate), "x");
  EXPECT_EQ(host_.expect_error().sys_errno, EEXIST);
  EXPECT_EQ(got("a"), "one two");
  write(request("b", wire::WriteMode::kCreate), "x");
  host_.expect_done();
  EXPECT_EQ(got("b"), "x");
}

TEST_F(FilesTest, ALinkIsWrittenThrough) {
  put("a", "old");
  ASSERT_EQ(::symlink("a", at("link").c_str()), 0);
  write(request("link"), "new");
  host_.expect_done();
  EXPECT_EQ(got("a"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(at("link")));
}

TEST_F(FilesTest, AWriteThatEndsEarlyChangesNothing) {
  put("a", "old");
  host_.send(wire::encode(AgentFrame::kWriteFile, request("a")));
  host_.send(wire::encode_text(AgentFrame::kData, "half"));
  host_.hang_up();
  EXPECT_EQ(got("a"), "old");
  EXPECT_EQ(count(), 1u);
}

TEST_F(FilesTest, ARefusedWriteLeavesTheConnectionInOrder) {
  write(request("none/a"), "data");
  EXPECT_EQ(host_.expect_error().sys_errno, ENOENT);
  write(request("a"), "data");
  host_.expect_done();
  EXPECT_EQ(got("a"), "data");
}

TEST_F(FilesTest, WhatIsNoFileIsNotRead) {
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  for (auto [path, error] : {std::pair(at("fifo"), EINVAL), {folder_, EISDIR}, {at("none"), ENOENT}}) {
    host_.send(wire::encode(AgentFrame::kReadFile, wire::FileRange{path}));
    EXPECT_EQ(host_.expect_error().sys_errno, error) << path;
  }
}

TEST_F(FilesTest, StatusOfALinkAndAFile) {
  put("a", "abc");
  ASSERT_EQ(::symlink("a", at("link").c_str()), 0);
  wire::FileStatus status;
  host_.send(wire::encode_text(AgentFrame::kStatus, at("a")));
  ASSERT_TRUE(wire::decode_message(host_.expect(AgentFrame::kStatusIs), status));
  EXPECT_EQ(status.size, 3u);
  EXPECT_TRUE(S_ISREG(status.mode));
  EXPECT_GT(status.modified_ns, 1'000'000'000'000'000'000u);
  host_.send(wire::encode_text(AgentFrame::kStatus, at("link")));
  ASSERT_TRUE(wire::decode_message(host_.expect(AgentFrame::kStatusIs), status));
  EXPECT_TRUE(S_ISLNK(status.mode));
  EXPECT_EQ(status.target, "a");
  host_.send(wire::encode_text(AgentFrame::kStatus, at("none")));
  auto error = host_.expect_error();
  EXPECT_EQ(error.sys_errno, ENOENT);
  EXPECT_EQ(error.what, "look at " + at("none"));
}

TEST_F(FilesTest, AListOfManyComesInParts) {
  constexpr size_t kFiles = 12'000;
  for (size_t i = 0; i < kFiles; ++i) put(std::to_string(i), "");
  host_.send(wire::encode_text(AgentFrame::kList, folder_));
  size_t listed = 0, parts = 0;
  for (wire::FileList list;;) {
    ASSERT_TRUE(wire::decode_message(host_.expect(AgentFrame::kListIs), list));
    if (list.entries.empty()) break;
    listed += list.entries.size();
    ++parts;
  }
  EXPECT_EQ(listed, kFiles);
  EXPECT_GT(parts, 1u);
}

TEST_F(FilesTest, DirectoriesAreMadeMovedAndRemoved) {
  host_.send(wire::encode(AgentFrame::kMakeDirectory, wire::MakeDirectory{at("a/b/c"), 0700, true}));
  host_.expect_done();
  host_.send(wire::encode(AgentFrame::kMakeDirectory, wire::MakeDirectory{at("a/b"), 0700, true}));
  host_.expect_done();
  host_.send(wire::encode(AgentFrame::kMakeDirectory, wire::MakeDirectory{at("a/b"), 0700, false}));
  EXPECT_EQ(host_.expect_error().sys_errno, EEXIST);
  put("a/b/file", "x");
  host_.send(wire::encode(AgentFrame::kMove, wire::Move{at("a/b"), at("d")}));
  host_.expect_done();
  EXPECT_EQ(got("d/file"), "x");
  host_.send(wire::encode(AgentFrame::kRemove, wire::Remove{at("d")}));
  EXPECT_EQ(host_.expect_error().sys_errno, ENOTEMPTY);
  host_.send(wire::encode(AgentFrame::kRemove, wire::Remove{at("d"), true}));
  host_.expect_done();
  EXPECT_FALSE(std::filesystem::exists(at("d")));
}

}  // namespace
}  // namespace cloche::agent
