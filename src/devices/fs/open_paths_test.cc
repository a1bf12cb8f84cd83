// More files known to the guest than a share may hold open: each is found again, or truthfully gone.
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

constexpr size_t kPaths = 20;
constexpr int kFiles = 100;

// Without CAP_DAC_READ_SEARCH the host opens no file by its handle.
class WithoutHandles {
 public:
  WithoutHandles() {
    ::syscall(SYS_capget, &header_, before_);
    __user_cap_data_struct less[2] = {before_[0], before_[1]};
    less[0].effective &= ~(1u << CAP_DAC_READ_SEARCH);
    EXPECT_EQ(::syscall(SYS_capset, &header_, less), 0);
  }
  ~WithoutHandles() { ::syscall(SYS_capset, &header_, before_); }

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct before_[2]{};
};

enum class Way { kHandles, kNames };

class OpenPathsBy : public testing::TestWithParam<Way> {
 protected:
  OpenPathsBy() {
    if (GetParam() == Way::kNames) without_.emplace();
    std::filesystem::create_directories(shared.dir.path("a/b"));
    for (int i = 0; i < kFiles; ++i) shared.dir.write("a/b/f" + std::to_string(i), std::to_string(i));
    shared_.emplace(Node::host(path_fd(shared.dir.path())), Options{.tag = "few", .descriptors = few()});
  }
  static Descriptors few() { return {.paths = kPaths, .opened = std::make_shared<size_t>(10)}; }
  FuseClient& client() { return shared_->client; }
  // Node ids of all the files, which is more than can be held open.
  std::vector<uint64_t> know_all() {
    std::vector<uint64_t> known;
    for (int i = 0; i < kFiles; ++i) known.push_back(client().walk("a/b/f" + std::to_string(i)));
    return known;
  }
  int error_of(uint64_t node) { return client().call(FUSE_GETATTR, node, bytes_of(fuse_getattr_in{})).error; }

  std::optional<WithoutHandles> without_;
  SharedDir shared;
  std::optional<Share> shared_;
};

INSTANTIATE_TEST_SUITE_P(Both, OpenPathsBy, testing::Values(Way::kHandles, Way::kNames),
                         [](const auto& way) { return way.param == Way::kHandles ? "Handles" : "Names"; });

size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] auto& each : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

TEST_P(OpenPathsBy, EveryFileIsFoundAgain) {
  size_t before = open_descriptors();
  std::vector<uint64_t> known = know_all();
  EXPECT_LE(open_descriptors(), before + kPaths);
  for (int i = 0; i < kFiles; ++i) {
    ASSERT_NE(known[i], 0u);
    EXPECT_EQ(client().contents(known[i]), std::to_string(i));
  }
  EXPECT_LE(open_descriptors(), before + kPaths);
}

TEST_P(OpenPathsBy, AFileIsFoundAfterTheGuestMovedIt) {
  std::vector<uint64_t> known = know_all();
  uint64_t parent = client().walk("a/b"), above = client().walk("a");
  Bytes names = text("f0") + text("moved");
  EXPECT_EQ(client().call(FUSE_RENAME, parent, bytes_of(fuse_rename_in{above}) + names).error, 0);
  EXPECT_EQ(client().call(FUSE_RENAME, above, bytes_of(fuse_rename_in{1}) + text("b") + text("c")).error, 0);
  know_all();
  for (int i = 1; i < kFiles; ++i) EXPECT_NE(client().walk("c/f" + std::to_string(i)), 0u);
  EXPECT_EQ(client().contents(known[0]), "0");
  EXPECT_EQ(client().contents(known[1]), "1");
}

TEST_P(OpenPathsBy, TwoFilesExchanged) {
  std::vector<uint64_t> known = know_all();
  uint64_t parent = client().walk("a/b");
  fuse_rename2_in in{.newdir = parent, .flags = RENAME_EXCHANGE, .padding = 0};
  EXPECT_EQ(client().call(FUSE_RENAME2, parent, bytes_of(in) + text("f0") + text("f1")).error, 0);
  know_all();
  EXPECT_EQ(client().contents(known[0]), "0");
  EXPECT_EQ(client().contents(known[1]), "1");
  EXPECT_EQ(client().walk("a/b/f0"), known[1]);
}

TEST_P(OpenPathsBy, ARenameThatFailsChangesNothing) {
  std::vector<uint64_t> known = know_all();
  uint64_t parent = client().walk("a/b");
  fuse_rename2_in in{.newdir = parent, .flags = RENAME_NOREPLACE, .padding = 0};
  EXPECT_EQ(client().call(FUSE_RENAME2, parent, bytes_of(in) + text("f0") + text("f1")).error, EEXIST);
  know_all();
  EXPECT_EQ(client().contents(known[0]), "0");
  EXPECT_EQ(client().contents(known[1]), "1");
}

TEST_P(OpenPathsBy, AnotherFileOfTheNameIsNotTakenForIt) {
  std::vector<uint64_t> known = know_all();
  shared.dir.write("other", "other");
  std::filesystem::rename(shared.dir.path("other"), shared.dir.path("a/b/f0"));
  EXPECT_EQ(error_of(known[0]), ESTALE);
  EXPECT_NE(client().walk("a/b/f0"), known[0]);
  EXPECT_EQ(client().contents(client().walk("a/b/f0")), "other");
}

TEST_P(OpenPathsBy, AnotherFileOfTheNumberIsNotTakenForIt) {
  std::vector<uint64_t> known = know_all();
  for (int i = 0; i < kFiles; ++i) std::filesystem::remove(shared.dir.path("a/b/f" + std::to_string(i)));
  for (int i = 0; i < kFiles; ++i) {  // Of the numbers that are free now, where the file system gives them again.
    std::string name = "n" + std::to_string(i);
    shared.dir.write(name, "new");
    uint64_t node = client().walk(name);
    EXPECT_EQ(std::ranges::count(known, node), 0);
    EXPECT_EQ(client().contents(node), "new");
  }
  for (uint64_t node : known) client().forget(node, 1000);
  EXPECT_NE(client().walk("n0"), 0u);
}

TEST_P(OpenPathsBy, AFileRemovedWhileOpenCanBeUsed) {
  std::vector<uint64_t> known = know_all();
  uint64_t parent = client().walk("a/b"), handle = client().open_handle(known[0], O_RDWR);
  EXPECT_EQ(client().call(FUSE_UNLINK, parent, text("f0")).error, 0);
  for (int i = 1; i < kFiles; ++i) client().walk("a/b/f" + std::to_string(i));
  EXPECT_EQ(string_of(client().read({known[0], handle, 0}, 100).body), "0");
  EXPECT_EQ(client().attributes(known[0]).nlink, 0u);
}

TEST_P(OpenPathsBy, AParentIsRememberedForItsChildren) {
  std::vector<uint64_t> known = know_all();
  client().forget(client().walk("a/b"), 1000);
  client().forget(client().walk("a"), 1000);
  for (int i = 0; i < kFiles; ++i) EXPECT_EQ(client().contents(known[i]), std::to_string(i));
  for (uint64_t node : known) client().forget(node, 1000);
  for (uint64_t node : known) EXPECT_EQ(error_of(node), ENOENT);
}

TEST_P(OpenPathsBy, ADeepTreeIsFoundFromItsTop) {
  std::string path = "a";
  uint64_t node = client().walk(path);
  for (int i = 0; i < 60; ++i) {
    Answer made = client().call(FUSE_MKDIR, node, bytes_of(fuse_mkdir_in{0755, 0}) + text("d"));
    ASSERT_EQ(made.error, 0);
    node = made.as<fuse_entry_out>().nodeid;
  }
  know_all();
  EXPECT_EQ(error_of(node), 0);
}

TEST_P(OpenPathsBy, OpenFilesAreBounded) {
  std::vector<uint64_t> known = know_all();
  std::vector<uint64_t> handles;
  for (int i = 0; i < 10; ++i) handles.push_back(client().open_handle(known[i], O_RDONLY));
  EXPECT_EQ(client().open(known[10], O_RDONLY).error, ENFILE);
  EXPECT_EQ(client().create(1, "new", O_RDWR, 0600).error, ENFILE);
  EXPECT_FALSE(std::filesystem::exists(shared.dir.path("new")));
  client().release(known[0], handles[0]);
  EXPECT_EQ(client().open(known[10], O_RDONLY).error, 0);
}

TEST(Descriptors, AreDividedAmongShares) {
  Descriptors one = Descriptors::among(1), many = Descriptors::among(32);
  EXPECT_GE(one.paths, many.paths * 31);
  EXPECT_GT(*many.opened, 0u);
  EXPECT_GE(Descriptors::among(1 << 30).paths, 16u);
}

// Files opened in one share are not there for another, and come back when its device is reset.
TEST(Descriptors, OpenFilesAreOneSupplyForAllShares) {
  Descriptors two{.paths = kPaths, .opened = std::make_shared<size_t>(2)};
  SharedDir a({.tag = "a", .descriptors = two}), b({.tag = "b", .descriptors = two});
  a.dir.write("file", "");
  b.dir.write("file", "");
  uint64_t node = a.client.walk("file"), other = b.client.walk("file");
  a.client.open_handle(node, O_RDONLY);
  a.client.open_handle(node, O_RDONLY);
  EXPECT_EQ(b.client.open(other, O_RDONLY).error, ENFILE);
  a.client.init();
  EXPECT_EQ(b.client.open(other, O_RDONLY).error, 0);
}

}  // namespace
}  // namespace cloche::fs
