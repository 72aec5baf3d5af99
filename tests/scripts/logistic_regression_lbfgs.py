"""Logistic regression to the bottom of its bowl, with LBFGS and its closure; in both precisions."""

import torch
from sklearn.datasets import load_breast_cancer, load_digits
from torch import nn, optim

X, y = load_breast_cancer(return_X_y=True)
X = torch.tensor(X, dtype=torch.float64)
X = (X - X.mean(dim=0)) / X.std(dim=0)
y = torch.from_numpy(y).double().view(-1, 1)

torch.manual_seed(0)
model = nn.Linear(X.shape[1], 1).double()
criterion = nn.BCEWithLogitsLoss()
optimizer = optim.LBFGS(model.parameters(), lr=0.8)
losses = []
for _ in range(5):

    def closure():
        optimizer.zero_grad()
        loss = criterion(model(X), y)
        loss = loss + 1e-2 * model.weight.pow(2).sum()
        loss.backward()
        return loss

    losses.append(optimizer.step(closure).item())
with torch.no_grad():
    accuracy = ((torch.sigmoid(model(X)) > 0.5) == (y > 0.5)).double().mean().item()
losses.append(accuracy)

digits, labels = load_digits(return_X_y=True)
digits, labels = torch.from_numpy(digits[:300]).float() / 16, torch.as_tensor(labels[:300])
softmax = nn.Linear(64, 10)
nn.init.zeros_(softmax.weight)
nn.init.zeros_(softmax.bias)
optimizer = optim.LBFGS(softmax.parameters(), history_size=10, max_iter=4, line_search_fn="strong_wolfe")
for _ in range(3):

    def closure():
        if torch.is_grad_enabled():
            optimizer.zero_grad()
        loss = nn.functional.cross_entropy(softmax(digits), labels)
        if loss.requires_grad:
            loss.backward()
        return loss

    losses.append(optimizer.step(closure).item())
print(losses)
