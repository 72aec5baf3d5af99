"""A convolutional autoencoder of digits, from images through eight numbers and back."""

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(7)
images = torch.tensor(load_digits().images[:400], dtype=torch.float32).unsqueeze(1) / 16
dataset = TensorDataset(images)
train_set, val_set = random_split(dataset, [0.8, 0.2], generator=torch.Generator().manual_seed(42))
train_loader = DataLoader(train_set, batch_size=40, shuffle=True, drop_last=True, pin_memory=False)
val_loader = DataLoader(val_set, batch_size=80)


class Autoencoder(nn.Module):
    def __init__(self, code=8):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 2 * 2, code),
        )
        self.decoder = nn.Sequential(
            nn.Linear(code, 16 * 2 * 2),
            nn.ReLU(),
            nn.Unflatten(1, (16, 2, 2)),
            nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 3, stride=2, padding=1, output_padding=1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


model = Autoencoder()
criterion = nn.MSELoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-5)
scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2)
losses = []
for epoch in range(4):
    model.train()
    for step, (x,) in enumerate(train_loader):
        loss = criterion(model(x), x)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(model.parameters(), 0.5)
        optimizer.step()
        scheduler.step(epoch + step / len(train_loader))
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        total = sum(criterion(model(x), x).item() * len(x) for (x,) in val_loader)
    losses.append(total / len(val_set))
    print(f"epoch {epoch}: validation {losses[-1]:.4f}, rate {scheduler.get_last_lr()[0]:.5f}")
code = model.encoder(images[:5])
assert code.shape == torch.Size([5, 8])
