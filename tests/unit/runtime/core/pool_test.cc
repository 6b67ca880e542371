// Memory of messages: what threads pass to each other and keep.

#include <gtest/gtest.h>
#include <muster/detail/pool.h>
#include <muster/random.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

namespace muster::test {
namespace {

using detail::pool_allocate;
using detail::pool_free;

struct Block {
  unsigned char* bytes = nullptr;
  std::size_t size = 0;
  unsigned char mark = 0;
};

Block make(Random& random) {
  Block block;
  block.size = 1 + random() % 700;  // small, and more than is kept
  block.bytes = static_cast<unsigned char*>(pool_allocate(block.size));
  block.mark = static_cast<unsigned char>(random());
  std::memset(block.bytes, block.mark, block.size);
  return block;
}

bool intact(const Block& block) {
  for (std::size_t i = 0; i < block.size; ++i) {
    if (block.bytes[i] != block.mark) return false;
  }
  return true;
}

void end(const Block& block) {
  pool_free(block.bytes, block.size);
}

TEST(PoolTest, BlocksInUseNeverOverlapAndAreAligned) {
  Random random(5);
  std::vector<Block> blocks;
  for (int i = 0; i < 20'000; ++i) {
    if (blocks.empty() || random() % 100 < 51) {
      blocks.push_back(make(random));
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks.back().bytes) % 16, 0u);
    } else {
      std::swap(blocks[random() % blocks.size()], blocks.back());
      ASSERT_TRUE(intact(blocks.back()));
      end(blocks.back());
      blocks.pop_back();
    }
  }
  for (const Block& block : blocks) {
    ASSERT_TRUE(intact(block));
    end(block);
  }
}

// The way of messages: one thread makes them, another ends them, by the ten thousand.
TEST(PoolTest, BlocksMadeByOneThreadAreEndedByAnother) {
  constexpr int kBlocks = 50'000;
  constexpr std::size_t kWaitingMax = 2'000;
  std::mutex mutex;
  std::condition_variable news;
  std::deque<Block> waiting;
  std::thread maker([&] {
    Random random(7);
    for (int i = 0; i < kBlocks; ++i) {
      const Block block = make(random);
      std::unique_lock lock(mutex);
      news.wait(lock, [&] { return waiting.size() < kWaitingMax; });
      waiting.push_back(block);
      news.notify_all();
    }
  });
  for (int i = 0; i < kBlocks; ++i) {
    std::unique_lock lock(mutex);
    news.wait(lock, [&] { return !waiting.empty(); });
    const Block block = waiting.front();
    waiting.pop_front();
    news.notify_all();
    lock.unlock();
    EXPECT_TRUE(intact(block));
    end(block);
  }
  maker.join();
}

// Blocks that threads leave behind at their ends are whole: others get each of them once.
TEST(PoolTest, ThreadsThatEndGiveTheirBlocksBack) {
  for (int round = 0; round < 20; ++round) {
    std::thread([round] {
      Random random(static_cast<std::uint64_t>(round + 1));
      std::vector<Block> blocks;
      for (int i = 0; i < 1'500; ++i) blocks.push_back(make(random));
      std::set<unsigned char*> places;
      for (const Block& block : blocks) {
        EXPECT_TRUE(intact(block));
        EXPECT_TRUE(places.insert(block.bytes).second);
      }
      for (const Block& block : blocks) end(block);
    }).join();
  }
}

// Destroyed after what the thread keeps: its block must still go somewhere.
TEST(PoolTest, BlocksMayEndAfterTheThreadHasStoppedKeepingThem) {
  std::thread([] {
    thread_local struct Late {
      std::optional<Block> block;
      ~Late() {
        if (block) end(*block);
      }
    } late;
    late.block = Block{};
    Random random(3);
    late.block = make(random);  // what the thread keeps begins here: it ends before `late`
  }).join();
}

}  // namespace
}  // namespace muster::test
