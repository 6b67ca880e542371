#pragma once
// References to actors inside messages, and who has counted them.

#include <muster/codec.h>

#include <utility>
#include <vector>

namespace muster::detail {

/// While it lives it notes the actors that messages encoded on this thread refer to.
class ExportScope {
 public:
  ExportScope() : outer_(std::exchange(current(), this)) {}
  ~ExportScope() { current() = outer_; }
  ExportScope(const ExportScope&) = delete;
  ExportScope& operator=(const ExportScope&) = delete;

  static ExportScope*& current() noexcept;
  std::vector<std::uint64_t> actors;

 private:
  ExportScope* const outer_;
};

/// Counts the references taken over, and leaves out those that an earlier reading of the same
/// arguments took.
class CountingImports final : public ActorExchange {
 public:
  explicit CountingImports(ActorExchange& peer, std::size_t taken = 0)
      : peer_(&peer), skip_(taken) {}
  WireActor export_actor(const ActorRefPtr& ref) override { return peer_->export_actor(ref); }
  ActorRefPtr import_actor(const WireActor& actor) override {
    if (skip_ > 0) return --skip_, nullptr;
    ++taken_;
    return peer_->import_actor(actor);
  }
  std::size_t taken() const noexcept { return taken_; }

 private:
  ActorExchange* peer_;
  std::size_t skip_;
  std::size_t taken_ = 0;
};

/// Reads every value that is left, for the sake of the references in it.
void drop_references(Decoder& values);

}  // namespace muster::detail
